import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { functionUser, runArguments } from "./run-arguments.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "remoe-test-")));
const model = join(folder, "model.gguf");
writeFileSync(model, "weights");

afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS = {
  image: "remoe:0",
  launcherId: "remoe-a",
  memoryMb: 100.5,
  modelFiles: [model],
  shared: "/run/remoe",
};

/** What follows each occurrence of a flag. */
function valuesOf(flag: string, options = OPTIONS): readonly (string | undefined)[] {
  const args = runArguments(options);
  return args.flatMap((arg, i) => (arg === flag ? [args[i + 1]] : []));
}

describe("the arguments of docker run", () => {
  it("limit memory to the byte, and leave no swap to escape to", () => {
    expect(valuesOf("--memory")).toEqual([`${100.5 * 2 ** 20}b`]);
    expect(valuesOf("--memory-swap")).toEqual(valuesOf("--memory"));
  });

  it("take every right away that a function does not need", () => {
    expect(runArguments(OPTIONS)).toEqual(expect.arrayContaining(["--read-only", "--rm", "--interactive"]));
    expect(valuesOf("--network")).toEqual(["none"]);
    expect(valuesOf("--cap-drop")).toEqual(["ALL"]);
    expect(valuesOf("--security-opt")).toEqual(["no-new-privileges"]);
    expect(functionUser()[0]).toBeGreaterThan(0);
  });

  it("do not show the secret to whoever lists processes", () => {
    expect(valuesOf("--env")).toEqual(["REMOE_FUNCTION", "UV_THREADPOOL_SIZE", "REMOE_CACHE_DIR=/run/remoe"]);
  });

  it("give a network and the token for it to functions whose model is behind a URL", () => {
    const online = { ...OPTIONS, modelFiles: [] };
    expect(valuesOf("--network", online)).toEqual(["bridge"]);
    expect(valuesOf("--env", online)).toContain("REMOE_MODEL_TOKEN");
  });

  it("mount the shared folder writable and the model read-only, at the paths they have here", () => {
    expect(valuesOf("--mount")).toEqual([
      'type=bind,"source=/run/remoe","target=/run/remoe"',
      `type=bind,"source=${model}","target=${model}",readonly`,
    ]);
  });

  it("mount what a link leads to where the link is", () => {
    const link = join(folder, 'a,"b".gguf');
    symlinkSync(model, link);
    expect(valuesOf("--mount", { ...OPTIONS, modelFiles: [link] })[1]).toBe(
      `type=bind,"source=${model}","target=${folder}/a,""b"".gguf",readonly`,
    );
  });

  it("mount every part of a split model but those that are missing: the function says so", () => {
    const modelFiles = [join(folder, "nowhere.gguf"), model];
    expect(valuesOf("--mount", { ...OPTIONS, modelFiles }).slice(1)).toEqual([
      expect.stringContaining(`"source=${model}"`),
    ]);
  });
});

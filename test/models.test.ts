import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeGguf } from "../src/gguf/write.ts";
import { runRemoe } from "./run-remoe.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "models-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function header(architecture: string): string {
  const path = join(folder, `${architecture}.gguf`);
  writeGguf(path, { metadata: [["general.architecture", { type: "string", value: architecture }]], tensors: [] });
  return path;
}

describe("remoe run refuses a model that it cannot run", () => {
  it("of an architecture that is not supported, naming those that are", async () => {
    const { code, stderr } = await runRemoe(["run", "--model", header("mamba"), "hello"]);
    expect(code).toBe(1);
    expect(stderr).toContain("has the architecture 'mamba', which Remoe does not run");
    expect(stderr).toMatch(/Supported architectures: bailingmoe2, deepseek2, .*, qwen3moe\./);
  });

  it("without experts", async () => {
    const { code, stderr } = await runRemoe(["run", "--model", header("llama"), "hello"]);
    expect(code).toBe(1);
    expect(stderr).toContain("is a model without experts");
  });
});

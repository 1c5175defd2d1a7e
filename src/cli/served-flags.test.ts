import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { addServedFlags, type ServedFlags, toServedFlags } from "./served-flags.ts";

const folder = mkdtempSync(join(tmpdir(), "remoe-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(...words: readonly string[]): ServedFlags {
  const command = addServedFlags(new Command("deploy"))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(words, { from: "user" });
  return toServedFlags(command, "chat");
}

describe("flags of `serve` on a deployment", () => {
  it("are handed on as they were written, and those that were not given are not", () => {
    expect(read("--slo-ttft", "0.5s", "--parallel", "2")).toEqual({
      serveArguments: ["--parallel", "2", "--slo-ttft", "0.5s"],
      files: {},
    });
  });

  it("are checked as `serve` does", () => {
    expect(() => read("--slo-ttft", "soon")).toThrow("Give a duration such as 500ms, 2s or 1m.");
    expect(() => read("--numerics", "other")).toThrow("Allowed choices are default, exact.");
  });

  it("take the length of a context under another name, because --context is a cluster's", () => {
    expect(read("--context-length", "2048").serveArguments).toEqual(["--context", "2048"]);
  });

  it("bring the files that they name", () => {
    const path = join(folder, "mine");
    writeFileSync(path, '{"kind": "measured"}');
    expect(read("--profile", path, "--prices", "aws-lambda-arm")).toEqual({
      serveArguments: ["--profile", "/etc/remoe/profile.json", "--prices", "aws-lambda-arm"],
      files: { "profile.json": '{"kind": "measured"}' },
    });
  });

  it("may name files in the container, but none that is nowhere", () => {
    expect(read("--plan", "/models/plan.json").serveArguments).toEqual(["--plan", "/models/plan.json"]);
    expect(() => read("--plan", "plan.json")).toThrow("there is no file 'plan.json' for --plan");
    expect(() => read("--prices", "free")).toThrow("there is no price book 'free'");
  });

  it("do not include what the deployment decides", () => {
    for (const flag of ["--host", "--port", "--platform"]) expect(() => read(flag, "1")).toThrow("unknown option");
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../engine/testing/temporary-folder.ts";
import { readPrompts } from "./read-prompts.ts";

function fileWith(...lines: readonly string[]): string {
  const path = join(temporaryFolder(), "prompts.jsonl");
  writeFileSync(path, lines.join("\n"));
  return path;
}

describe("readPrompts", () => {
  it("takes id and domain where they are, and passes over empty lines and other fields", () => {
    const path = fileWith('{"prompt":"a","id":"x","domain":"d","source":1}', "", '{"prompt":"b","domain":null}', "");
    expect(readPrompts(path)).toEqual([
      { line: 1, id: "x", domain: "d", prompt: "a" },
      { line: 3, id: "line-3", domain: null, prompt: "b" },
    ]);
  });

  it.each([
    ["no JSON", "{prompt", "its line 2 is not JSON"],
    ["no object", '"text"', "its line 2 is no JSON object"],
    ["no prompt", '{"id":"x"}', "its line 2 has no text `prompt`"],
    ["a prompt of another type", '{"prompt":1}', "its line 2 has no text `prompt`"],
    ["an empty prompt", '{"prompt":""}', "its line 2 has an empty `prompt`"],
    ["an id that is no text", '{"prompt":"a","id":7}', "its line 2 has an `id` that is no text"],
    ["an id too long to keep", `{"prompt":"a","id":"${"i".repeat(257)}"}`, "its line 2 has a id of 257 bytes"],
    ["a domain of several lines", '{"prompt":"a","domain":"d\\ne"}', "its line 2 has a domain that is not printable"],
  ])("refuses a line with %s and says which", (_, line, problem) => {
    const path = fileWith('{"prompt":"fine"}', line);
    expect(() => readPrompts(path)).toThrowError(
      expect.objectContaining({ code: "PROMPTS_INVALID", message: expect.stringContaining(problem) }),
    );
  });

  it("refuses a file without prompts, and none", () => {
    expect(() => readPrompts(fileWith("", ""))).toThrowError("it has no prompts");
    expect(() => readPrompts("nowhere.jsonl")).toThrowError(/the prompts 'nowhere.jsonl' cannot be used: ENOENT/);
  });
});

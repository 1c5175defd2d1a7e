import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineDiff } from "./line-diff.ts";

const NAMES = { from: "live", to: "new" };

/** What `patch` does with a unified diff. */
function applyDiff(before: string, diff: string): string {
  const source = before.split("\n").slice(0, -1);
  const result: string[] = [];
  let next = 0;
  for (const line of diff.split("\n").slice(2, -1)) {
    const hunk = /^@@ -(\d+),(\d+) /.exec(line);
    if (hunk !== null) {
      const start = Number(hunk[1]) - (Number(hunk[2]) === 0 ? 0 : 1);
      result.push(...source.slice(next, start));
      next = start;
      continue;
    }
    if (line[0] !== "+") expect(line.slice(1)).toBe(source[next++]);
    if (line[0] !== "-") result.push(line.slice(1));
  }
  return [...result, ...source.slice(next)].map((line) => `${line}\n`).join("");
}

describe("lineDiff", () => {
  it("says nothing about equal texts", () => {
    expect(lineDiff("a\nb\n", "a\nb\n", NAMES)).toBe("");
  });

  it("shows changed lines with three lines around them", () => {
    const before = ["a", "b", "c", "d", "e", "f", "g", "h", ""].join("\n");
    expect(lineDiff(before, before.replace("f", "F"), NAMES)).toBe(
      "--- live\n+++ new\n@@ -3,6 +3,6 @@\n c\n d\n e\n-f\n+F\n g\n h\n",
    );
  });

  it("shows a new text as added whole", () => {
    expect(lineDiff("", "a\nb\n", NAMES)).toBe("--- live\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  });

  const text = fc
    .array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 })
    .map((lines) => lines.map((line) => `${line}\n`).join(""));

  it("gives what turns one text into the other", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = lineDiff(before, after, NAMES);
        expect(diff === "" ? before : applyDiff(before, diff)).toBe(after);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

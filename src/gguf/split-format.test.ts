import { describe, expect, it } from "vitest";
import { modelStem, partPath, partPaths } from "./split-format.ts";

describe("the name of a part", () => {
  it("counts from 1, in five digits", () => {
    expect(partPath("/models/mixtral-q4", 1, 12)).toBe("/models/mixtral-q4-00002-of-00012.gguf");
  });

  it("leads to the names of all parts", () => {
    const all = ["m-1-00001-of-00003.gguf", "m-1-00002-of-00003.gguf", "m-1-00003-of-00003.gguf"];
    for (const path of all) expect(partPaths(path)).toEqual(all);
  });

  it.each(["m.gguf", "m-1-of-2.gguf", "m-00001-of-00002.bin", "-00001-of-00002.gguf"])("is not %s", (path) => {
    expect(partPaths(path)).toEqual([path]);
  });
});

describe("the name of a model", () => {
  it.each(["/a/m-q4.gguf", "/a/m-q4-00002-of-00003.gguf"])("is m-q4 in %s", (path) => {
    expect(modelStem(path)).toBe("m-q4");
  });
});

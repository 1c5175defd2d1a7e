import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { libraryPath, listImageFiles, NODE, PROGRAM } from "./image-files.ts";

describe.runIf(process.platform === "linux")("the files of a function's image", () => {
  it("are Node.js, the program, the loader with its libraries, and the native packages without their GPU variants", async () => {
    const files = await listImageFiles("/program.js");
    expect(files.get(NODE)).toBe(process.execPath);
    expect(files.get(PROGRAM)).toBe("/program.js");
    const paths = [...files.keys()];
    expect(paths.some((path) => /\/(ld-linux|ld-musl)/.test(path))).toBe(true);
    expect(paths.some((path) => path.includes("libstdc++"))).toBe(true);
    expect(paths.some((path) => path.endsWith("koffi.node"))).toBe(true);
    expect(paths.some((path) => path.endsWith("libggml-base.so"))).toBe(true);
    expect(paths.filter((path) => /vulkan|cuda/.test(path))).toEqual([]);
  });

  it("are all on this machine", async () => {
    const files = await listImageFiles(process.execPath);
    expect([...files.values()].filter((file) => !existsSync(file))).toEqual([]);
  });

  it("come in the same order every time, so that equal builds have equal names", async () => {
    const [first, second] = await Promise.all([listImageFiles("/a"), listImageFiles("/a")]);
    expect([...first]).toEqual([...second]);
  });
});

describe("where the loader looks for libraries", () => {
  it("is every folder that has one, outside of the packages, which know their own", () => {
    const paths = [
      "/lib64/ld-linux.so.2",
      "/usr/lib/libm.so.6",
      "/usr/lib/libc.so.6",
      "/app/node_modules/x/y.so",
      NODE,
    ];
    expect(libraryPath(new Map(paths.map((path) => [path, path])))).toBe("/lib64:/usr/lib");
  });
});

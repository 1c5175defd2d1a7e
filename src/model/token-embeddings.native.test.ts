import { copyFileSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { TokenEmbeddings } from "./token-embeddings.ts";

const MODEL = fileURLToPath(new URL("../../models/tiny-moe/tiny-moe-q8_0.gguf", import.meta.url));
const native = loadNative();
const file = readGguf(MODEL);
const ROW_BYTES = 256 * Float32Array.BYTES_PER_ELEMENT;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "embeddings-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([-1, 1e9, 1.5, Number.NaN])("the token %d has no embedding", (token) => {
  using embeddings = new TokenEmbeddings(native, file);
  expect(embeddings.get(token)).toBeNull();
});

describe("what is kept", () => {
  it("is the most recently used, within its bytes", () => {
    using embeddings = new TokenEmbeddings(native, file, 3 * ROW_BYTES + 1);
    const [first, second] = [embeddings.get(1), embeddings.get(2)];
    embeddings.get(3);
    embeddings.get(1);
    embeddings.get(4); // in the place of 2
    expect(embeddings.get(1)).toBe(first);
    expect(embeddings.get(2)).not.toBe(second);
    expect(embeddings.get(2)).toEqual(second);
    for (let token = 0; token < 100; token++) embeddings.get(token);
    expect(embeddings.keptBytes).toBe(3 * ROW_BYTES);
  });

  it("may be nothing", () => {
    using embeddings = new TokenEmbeddings(native, file, 0);
    expect(embeddings.get(5)).toEqual(embeddings.get(5));
    expect(embeddings.keptBytes).toBe(0);
  });
});

it("a file that was cut short meanwhile is refused with its length", () => {
  const path = join(folder, "cut.gguf");
  copyFileSync(MODEL, path);
  using embeddings = new TokenEmbeddings(native, readGguf(path));
  truncateSync(path, 1000);
  expect(() => embeddings.get(1)).toThrowError(expect.objectContaining({ code: "MODEL_FILE_TRUNCATED" }));
  rmSync(path);
  expect(() => embeddings.get(1)).toThrowError(expect.objectContaining({ code: "MODEL_NOT_FOUND" }));
});

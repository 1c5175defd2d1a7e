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

async function get(embeddings: TokenEmbeddings, token: number): Promise<Float32Array | null> {
  return (await embeddings.of([token]))(token);
}

it.each([-1, 1e9, 1.5, Number.NaN])("the token %d has no embedding", async (token) => {
  using embeddings = new TokenEmbeddings(native, file);
  expect(await get(embeddings, token)).toBeNull();
});

it("tokens have the same embeddings together as alone", async () => {
  using embeddings = new TokenEmbeddings(native, file, 0);
  const tokens = Array.from({ length: 200 }, (_, i) => (i * 37) % 150);
  const embedding = await embeddings.of(tokens);
  for (const token of tokens) expect(embedding(token)).toEqual(await get(embeddings, token));
});

describe("what is kept", () => {
  it("is the most recently used, within its bytes", async () => {
    using embeddings = new TokenEmbeddings(native, file, 3 * ROW_BYTES + 1);
    const [first, second] = [await get(embeddings, 1), await get(embeddings, 2)];
    await embeddings.of([3, 1]);
    await embeddings.of([4]); // in the place of 2
    expect(await get(embeddings, 1)).toBe(first);
    expect(await get(embeddings, 2)).not.toBe(second);
    expect(await get(embeddings, 2)).toEqual(second);
    await embeddings.of(Array.from({ length: 100 }, (_, token) => token));
    expect(embeddings.keptBytes).toBe(3 * ROW_BYTES);
  });

  it("may be nothing", async () => {
    using embeddings = new TokenEmbeddings(native, file, 0);
    expect(await get(embeddings, 5)).toEqual(await get(embeddings, 5));
    expect(embeddings.keptBytes).toBe(0);
  });
});

it("a file that was cut short meanwhile is refused with its length", async () => {
  const path = join(folder, "cut.gguf");
  copyFileSync(MODEL, path);
  using embeddings = new TokenEmbeddings(native, readGguf(path));
  truncateSync(path, 1000);
  await expect(embeddings.of([1])).rejects.toMatchObject({ code: "MODEL_FILE_TRUNCATED", details: { size: 1000 } });
  rmSync(path);
  await expect(embeddings.of([1])).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
});

it("rows that arrive after the end are not computed with", async () => {
  const embeddings = new TokenEmbeddings(native, file);
  const late = embeddings.of([1]);
  embeddings[Symbol.dispose]();
  await expect(late).rejects.toMatchObject({ code: "RESOURCE_DISPOSED" });
});

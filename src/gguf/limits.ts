import { remoeError } from "../core/errors.ts";

/**
 * The most that a GGUF header may declare. A header is untrusted input: without these a few forged bytes cost memory
 * and time out of proportion to the file. For scale: DeepSeek-V3 has about 1,100 tensors, 60 keys, 129k tokens and a
 * header of 8 MB; the largest vocabularies have 262k tokens and 515k merges in 17 MB.
 */
export const LIMITS = {
  /** Models have 20 to 100 keys. */
  metadataKeys: 4096,
  /** The longest known keys have about 60 bytes; a short limit keeps error messages readable. */
  keyBytes: 1024,
  /** Room for a whole tokenizer.json, which some converters embed (up to 35 MB). */
  stringBytes: 64 * 1024 ** 2,
  /** Thirty times the longest known list of merges. */
  arrayElements: 16 * 1024 ** 2,
  /** ggml does not read arrays of arrays either, so no model has them; and the reader needs no recursion. */
  arrayDepth: 1,
  /** Room for a model of DeepSeek-V3's size with every expert a tensor of its own (61 layers, 256 experts, 3 each). */
  tensors: 64 * 1024,
  /** The largest uploads have some 200. */
  parts: 4096,
  /** ggml keeps a name in 64 bytes, the last of them zero. */
  tensorNameBytes: 63,
  /** ggml's tensors have four dimensions. */
  tensorDimensions: 4,
  /** A huge page; files use 32. */
  alignment: 2 * 1024 ** 2,
  /** Bounds the whole pass over the header, whatever the other limits would allow together. */
  headerBytes: 256 * 1024 ** 2,
} as const;

/**
 * Refuses a declared value above its limit.
 * @throws MODEL_LIMIT_EXCEEDED
 */
export function checkLimit(path: string, limit: keyof typeof LIMITS, value: number): void {
  const maximum = LIMITS[limit];
  if (value > maximum) {
    throw remoeError("MODEL_LIMIT_EXCEEDED", { path, limit, value, maximum });
  }
}

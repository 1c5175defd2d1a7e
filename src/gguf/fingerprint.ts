import { createHash } from "node:crypto";
import { fileSource } from "./byte-source.ts";
import type { GgufFile } from "./read.ts";

const SAMPLE_BYTES = 4096;
/** Spread evenly over the tensor data, its first and last bytes among them: enough to tell two quantisations apart. */
const SAMPLES = 18;

/**
 * Tells model files apart without reading them whole: a digest (SHA-256, hex) of the architecture and its numbers, every
 * tensor's name, type, shape and place, the file's size, and samples of the tensor data. Equal for copies of a file.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE
 */
export function modelFingerprint({ path, metadata, tensors, fileBytes }: GgufFile): string {
  const architecture = metadata.stringOr("general.architecture", "");
  const numbers = Array.from(metadata.keys())
    .filter((key) => key.startsWith(`${architecture}.`))
    .map((key) => [key, metadata.value(key)]);
  const table = Array.from(tensors.values(), ({ name, type, shape, offset }) => [name, type, shape, offset]);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([architecture, numbers, fileBytes, table], plainNumber));
  const source = fileSource(path);
  const start = Array.from(tensors.values()).reduce((first, { offset }) => Math.min(first, offset), fileBytes);
  const last = Math.max(start, fileBytes - SAMPLE_BYTES);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const offset = start + Math.floor(((last - start) * sample) / (SAMPLES - 1));
    hash.update(source.read(offset, SAMPLE_BYTES));
  }
  return hash.digest("hex");
}

/** Tells vocabularies apart: a digest (SHA-256, hex) of everything a file says of how text becomes tokens. */
export function tokenizerFingerprint({ metadata }: GgufFile): string {
  const entries = Array.from(metadata.keys())
    .filter((key) => key.startsWith("tokenizer.ggml."))
    .map((key) => [key, metadata.value(key)]);
  return createHash("sha256").update(JSON.stringify(entries, plainNumber)).digest("hex");
}

function plainNumber(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

import { createHash } from "node:crypto";
import type { ModelSource } from "./model-source.ts";
import type { GgufFile } from "./read.ts";
import type { TensorInfo } from "./tensor-table.ts";

const SAMPLE_BYTES = 4096;
/** Spread evenly over the tensor data, its first and last bytes among them: enough to tell two quantisations apart. */
const SAMPLES = 18;

/**
 * Tells model files apart without reading them whole: a digest (SHA-256, hex) of the architecture and its numbers, every
 * tensor's name, type, shape and place, the size, and samples of the tensor data. Parts count as one file, one behind the
 * other. Equal for copies of a file.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_FILE_TRUNCATED, MODEL_DOWNLOAD_FAILED, MODEL_CHANGED
 */
export async function modelFingerprint({ metadata, tensors, parts, fileBytes }: GgufFile): Promise<string> {
  const architecture = metadata.stringOr("general.architecture", "");
  const numbers = Array.from(metadata.keys())
    .filter((key) => key.startsWith(`${architecture}.`))
    .map((key) => [key, metadata.value(key)]);
  const placed = placeParts(parts);
  const starts = new Map(placed.map(({ source, start }) => [source, start]));
  const place = ({ source, offset }: TensorInfo): number => (starts.get(source) ?? 0) + offset;
  const table = Array.from(tensors.values(), (tensor) => [tensor.name, tensor.type, tensor.shape, place(tensor)]);
  const hash = createHash("sha256");
  hash.update(JSON.stringify([architecture, numbers, fileBytes, table], plainNumber));
  const start = Array.from(tensors.values(), place).reduce((first, offset) => Math.min(first, offset), fileBytes);
  const last = Math.max(start, fileBytes - SAMPLE_BYTES);
  const offsets = Array.from({ length: SAMPLES }, (_, i) => start + Math.floor(((last - start) * i) / (SAMPLES - 1)));
  const samples = await Promise.all(offsets.map((offset) => readAcross(placed, offset)));
  for (const bytes of samples.flat()) hash.update(bytes);
  return hash.digest("hex");
}

interface PlacedPart {
  readonly source: ModelSource;
  /** Where it would begin if the parts were one file. */
  readonly start: number;
}

function placeParts(parts: readonly ModelSource[]): readonly PlacedPart[] {
  let end = 0;
  return parts.map((source) => {
    end += source.size;
    return { source, start: end - source.size };
  });
}

/** A sample, which may reach into the next part. */
function readAcross(parts: readonly PlacedPart[], offset: number): Promise<Uint8Array[]> {
  const reads = parts.flatMap(({ source, start }) => {
    const [from, to] = [Math.max(offset, start), Math.min(offset + SAMPLE_BYTES, start + source.size)];
    return from < to ? [source.read(from - start, to - from)] : [];
  });
  return Promise.all(reads);
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

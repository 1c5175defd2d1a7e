import { basename } from "node:path";

/** What a part of a split model says of its place, as llama.cpp's gguf-split writes it. */
export const SPLIT_KEYS = {
  /** Of this part, from 0. */
  index: "split.no",
  /** Parts in total. */
  count: "split.count",
  /** Tensors of all parts together. */
  tensors: "split.tensors.count",
} as const;

const PART_NAME = /^(?<prefix>.+)-\d{5}-of-(?<count>\d{5})\.gguf$/s;

/** Where a part of a split model lies: the part at `index` 0 of 3 is `<prefix>-00001-of-00003.gguf`. */
export function partPath(prefix: string, index: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, "0");
  return `${prefix}-${digits(index + 1)}-of-${digits(count)}.gguf`;
}

/** The paths of all parts of a model, by the name of any of them; for the name of a whole model, that path alone. */
export function partPaths(path: string): readonly string[] {
  const { prefix, count } = PART_NAME.exec(path)?.groups ?? {};
  if (prefix === undefined) return [path];
  return Array.from({ length: Number(count) }, (_, index) => partPath(prefix, index, Number(count)));
}

/** The name of a model by its path or that of a part: the file's, without part number and ending. */
export function modelStem(path: string): string {
  return basename(PART_NAME.exec(path)?.groups?.["prefix"] ?? path, ".gguf");
}

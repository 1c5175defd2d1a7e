import { basename } from "node:path";
import { isRemoeError, type RemoeError, remoeError } from "../core/errors.ts";
import { checkLimit } from "./limits.ts";
import type { GgufFile } from "./read.ts";
import { partPath, partPaths, SPLIT_KEYS } from "./split-format.ts";
import { type TensorInfo, tensorError } from "./tensor-table.ts";

/** Which part of how many, the first being 0. */
interface Place {
  readonly index: number;
  readonly count: number;
}

/** Whether a file is one of several that hold a model together. */
export function isPart({ metadata }: GgufFile): boolean {
  return metadata.numberOr(SPLIT_KEYS.count, 1) > 1;
}

/**
 * A split model as one file: the metadata of its first part, the tensors of all.
 * @param given any of the parts
 * @param read reads the others
 * @throws MODEL_PART_INVALID, MODEL_TENSOR_INVALID, MODEL_LIMIT_EXCEEDED, MODEL_METADATA_INVALID and what `read` throws
 */
export function joinParts(given: GgufFile, read: (path: string) => GgufFile): GgufFile {
  const { index, count } = placeOf(given);
  checkLimit(given.path, "parts", count);
  const paths = partPaths(given.path);
  if (paths.length !== count || paths[index] !== given.path) {
    const name = basename(partPath("<name>", index, count));
    throw partError(given.path, { index, count }, `is not named '${name}'`);
  }
  const parts = paths.map((path, i) => (i === index ? given : readPart(path, { index: i, count }, read)));
  const [first] = parts as [GgufFile];
  return {
    ...first,
    tensors: joinTensors(parts),
    parts: parts.flatMap((part) => part.parts),
    fileBytes: parts.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
  };
}

function placeOf({ metadata }: GgufFile): Place {
  return { index: metadata.number(SPLIT_KEYS.index), count: metadata.number(SPLIT_KEYS.count) };
}

function readPart(path: string, place: Place, read: (path: string) => GgufFile): GgufFile {
  const part = orMissing(path, place, read);
  const { index, count } = placeOf(part);
  if (index !== place.index || count !== place.count) {
    throw partError(path, place, `says that it is part ${index + 1} of ${count}`);
  }
  return part;
}

function orMissing(path: string, place: Place, read: (path: string) => GgufFile): GgufFile {
  try {
    return read(path);
  } catch (error) {
    if (isRemoeError(error) && error.code === "MODEL_NOT_FOUND") throw partError(path, place, "is missing", error);
    throw error;
  }
}

function joinTensors(parts: readonly GgufFile[]): ReadonlyMap<string, TensorInfo> {
  const joined = new Map<string, TensorInfo>();
  for (const tensor of parts.flatMap((part) => [...part.tensors.values()])) {
    const twin = joined.get(tensor.name);
    if (twin !== undefined) throw tensorError(tensor.source.path, tensor.name, `is in '${twin.source.path}' too`);
    joined.set(tensor.name, tensor);
  }
  const [first] = parts as [GgufFile];
  const declared = first.metadata.number(SPLIT_KEYS.tensors);
  if (joined.size !== declared) {
    const problem = `says that all parts have ${declared} tensors, they have ${joined.size}`;
    throw partError(first.path, { index: 0, count: parts.length }, problem);
  }
  return joined;
}

function partError(path: string, { index, count }: Place, problem: string, cause?: unknown): RemoeError {
  return remoeError("MODEL_PART_INVALID", { path, part: index + 1, count, problem }, cause);
}

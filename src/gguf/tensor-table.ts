import { type RemoeError, remoeError } from "../core/errors.ts";
import type { Cursor } from "./cursor.ts";
import { checkLimit } from "./limits.ts";
import type { ModelSource } from "./model-source.ts";
import { type GgmlType, isGgmlType, TYPE_TRAITS, tensorBytes } from "./types.ts";

/** A tensor of a model. */
export interface TensorInfo {
  readonly name: string;
  /** The file that holds it. */
  readonly source: ModelSource;
  readonly type: GgmlType;
  /** ggml's order: the row length first. */
  readonly shape: readonly number[];
  /** Of the first byte, in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** A tensor by its description alone; `offset` is relative to the data section. */
type DescribedTensor = Omit<TensorInfo, "source">;

/** Name length, one byte of name, dimension count, one dimension, type, offset. */
const MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

/**
 * Reads `count` tensor descriptions at the cursor.
 * @throws MODEL_FILE_TRUNCATED, MODEL_FILE_INVALID, MODEL_LIMIT_EXCEEDED, MODEL_TENSOR_INVALID
 */
export function readTensorTable(cursor: Cursor, count: number): DescribedTensor[] {
  checkLimit(cursor.path, "tensors", count);
  cursor.requireRoom(count, MIN_TENSOR_BYTES);
  const names = new Set<string>();
  const tensors: DescribedTensor[] = [];
  for (let index = 0; index < count; index++) {
    const tensor = readTensor(cursor);
    if (names.has(tensor.name)) throw tensorError(cursor.path, tensor.name, "appears twice");
    names.add(tensor.name);
    tensors.push(tensor);
  }
  return tensors;
}

function readTensor(cursor: Cursor): DescribedTensor {
  const name = cursor.name("tensorNameBytes");
  const dimensions = cursor.u32();
  checkLimit(cursor.path, "tensorDimensions", dimensions);
  const shape = Array.from({ length: dimensions }, () => cursor.u64());
  const type = cursor.u32();
  if (!isGgmlType(type)) throw tensorError(cursor.path, name, `has the unknown type ${type}`);
  const bytes = checkedTensorBytes(cursor.path, { name, type, shape });
  return { name, type, shape, offset: cursor.u64(), bytes };
}

/**
 * Bytes of a tensor whose shape nobody has checked yet.
 * @throws MODEL_TENSOR_INVALID
 */
export function checkedTensorBytes(path: string, tensor: Pick<TensorInfo, "name" | "type" | "shape">): number {
  const { name, type, shape } = tensor;
  const [rowLength] = shape;
  if (rowLength === undefined || !shape.every((dimension) => Number.isInteger(dimension) && dimension > 0)) {
    throw tensorError(path, name, `has the shape [${shape}], where every dimension must be at least 1`);
  }
  if (!Number.isSafeInteger(shape.reduce((elements, dimension) => elements * dimension))) {
    throw tensorError(path, name, `has the shape [${shape}], too large to count its elements`);
  }
  const { name: typeName, blockElements } = TYPE_TRAITS[type];
  if (rowLength % blockElements !== 0) {
    const problem = `has rows of ${rowLength} elements, not a multiple of the ${typeName} block of ${blockElements}`;
    throw tensorError(path, name, problem);
  }
  return tensorBytes(type, shape);
}

/**
 * Moves tensors from offsets in the data section to offsets in the file, and checks that each lies aligned inside the
 * file and apart from the others.
 * @throws MODEL_TENSOR_INVALID, MODEL_FILE_TRUNCATED
 */
export function placeTensors(tensors: readonly DescribedTensor[], place: Placement): ReadonlyMap<string, TensorInfo> {
  const placed = tensors.map((tensor) => placeTensor(tensor, place));
  requireApart(placed, place.source.path);
  return new Map(placed.map((tensor) => [tensor.name, tensor]));
}

interface Placement {
  readonly source: ModelSource;
  readonly alignment: number;
  /** Where the data section starts. */
  readonly dataStart: number;
}

function placeTensor(tensor: DescribedTensor, { source, alignment, dataStart }: Placement): TensorInfo {
  const { path, size } = source;
  if (tensor.offset % alignment !== 0) {
    throw tensorError(path, tensor.name, `has the offset ${tensor.offset}, which breaks the alignment of ${alignment}`);
  }
  const offset = dataStart + tensor.offset;
  const end = offset + tensor.bytes;
  if (end > size) {
    throw remoeError("MODEL_FILE_TRUNCATED", { path, size, part: `tensor '${tensor.name}'`, needed: end });
  }
  return { ...tensor, source, offset };
}

function requireApart(tensors: readonly TensorInfo[], path: string): void {
  let previous: TensorInfo | undefined;
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset)) {
    if (previous && tensor.offset < previous.offset + previous.bytes) {
      throw tensorError(path, tensor.name, `overlaps tensor '${previous.name}'`);
    }
    previous = tensor;
  }
}

/** @returns MODEL_TENSOR_INVALID */
export function tensorError(path: string, tensor: string, problem: string): RemoeError {
  return remoeError("MODEL_TENSOR_INVALID", { path, tensor, problem });
}

import { remoeError } from "../core/errors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";
import type { LayerScope, WeightSpec } from "./architecture.ts";

/** @throws MODEL_TENSOR_INVALID when the file has no such tensor, or one of another shape */
export function requireTensor(file: GgufFile, name: string, shape?: readonly number[]): TensorInfo {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    throw remoeError("MODEL_TENSOR_INVALID", { path: file.path, tensor: name, problem: "is missing" });
  }
  const expected = shape ?? tensor.shape;
  if (sameShape(tensor.shape, expected)) return tensor;
  const problem = `has the shape [${tensor.shape}], expected [${expected}]`;
  throw remoeError("MODEL_TENSOR_INVALID", { path: file.path, tensor: name, problem });
}

/** Trailing dimensions of 1 do not count: files write them or not. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const dimensions = Math.max(a.length, b.length);
  return Array.from({ length: dimensions }, (_, i) => (a[i] ?? 1) === (b[i] ?? 1)).every(Boolean);
}

/** @throws MODEL_METADATA_INVALID */
export function positiveInteger(file: GgufFile, key: string): number {
  const value = file.metadata.number(key);
  if (Number.isInteger(value) && value > 0) return value;
  const problem = `is ${value}, expected a positive whole number`;
  throw remoeError("MODEL_METADATA_INVALID", { path: file.path, key, problem });
}

/** One weight of several matrices with the same input, if their types allow it; else the matrices as they are. */
export function stackRows(name: string, matrices: readonly WeightSpec[]): readonly WeightSpec[] {
  const parts = matrices.flatMap((matrix) => matrix.parts);
  const types = new Set(parts.map((part) => part.type));
  return types.size === 1 ? [{ name, parts, use: "matmul" }] : matrices;
}

/** A weight that the architecture's own list says is there. */
export function requireWeight(weight: LayerScope["weight"], name: string): Tensor {
  const tensor = weight(name);
  if (tensor === undefined) throw new Error(`weight '${name}' is not in the architecture's list`);
  return tensor;
}

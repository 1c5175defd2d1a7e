import { remoeError } from "../core/errors.ts";
import { type StackedTensor, separateExperts, stackedExperts } from "../gguf/experts.ts";
import type { GgufFile } from "../gguf/read.ts";
import { type TensorInfo, tensorError } from "../gguf/tensor-table.ts";
import { GgmlType, TYPE_TRAITS, WEIGHT_TYPES } from "../gguf/types.ts";

/**
 * @throws MODEL_TENSOR_INVALID when the model has no such tensor, or one of another shape; MODEL_TYPE_UNSUPPORTED when
 *   the kernels do not compute with its type
 */
export function requireTensor(file: GgufFile, name: string, shape?: readonly number[]): TensorInfo {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw tensorError(file.path, name, "is missing");
  const expected = shape ?? tensor.shape;
  if (!sameShape(tensor.shape, expected)) {
    throw tensorError(tensor.source.path, name, `has the shape [${tensor.shape}], expected [${expected}]`);
  }
  requireComputable(tensor);
  return tensor;
}

/**
 * The matrices `[in, out]` of a layer's experts under a name like `blk.0.ffn_gate`: stacked in one tensor, or each in its
 * own as older files have them.
 * @throws what {@link requireTensor} throws
 */
export function requireExperts(
  file: GgufFile,
  name: string,
  shape: readonly [columns: number, rows: number, experts: number],
): StackedTensor {
  const stacked = `${name}_exps.weight`;
  const isSeparate = !file.tensors.has(stacked) && file.tensors.has(`${name}.0.weight`);
  if (!isSeparate) return stackedExperts({ ...requireTensor(file, stacked, shape), shape });
  const [columns, rows, experts] = shape;
  const each = Array.from({ length: experts }, (_, expert) =>
    requireTensor(file, `${name}.${expert}.weight`, [columns, rows]),
  );
  return separateExperts(stacked, each);
}

/** Vectors are added and multiplied element by element, in single precision. */
function requireComputable({ source: { path }, name, type, shape }: TensorInfo): void {
  const supported = shape.length === 1 ? [GgmlType.F32] : WEIGHT_TYPES;
  if (supported.includes(type)) return;
  const names = supported.map((each) => TYPE_TRAITS[each].name).join(", ");
  throw remoeError("MODEL_TYPE_UNSUPPORTED", { path, tensor: name, type: TYPE_TRAITS[type].name, supported: names });
}

/** Trailing dimensions of 1 do not count: files write them or not. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const dimensions = Math.max(a.length, b.length);
  return Array.from({ length: dimensions }, (_, i) => (a[i] ?? 1) === (b[i] ?? 1)).every(Boolean);
}

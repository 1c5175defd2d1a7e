import { remoeError } from "../core/errors.ts";
import type { ModelSource } from "./model-source.ts";
import { type TensorInfo, tensorError } from "./tensor-table.ts";
import { TYPE_TRAITS } from "./types.ts";

/** Bytes that follow each other in a file. */
export interface FileSlab {
  readonly source: ModelSource;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The same matrix (or bias) of every expert of a layer. Files hold it as one tensor, or older ones as a tensor for each
 * expert; readers see no difference.
 */
export interface StackedTensor extends Pick<TensorInfo, "name" | "type"> {
  /** Experts are the last dimension: `[in, out, experts]`, biases `[out, experts]`. */
  readonly shape: readonly number[];
  /**
   * Where one expert's part lies.
   * @throws EXPERT_UNKNOWN when there are fewer experts
   */
  slab(expert: number): FileSlab;
}

/** Experts in one tensor, one behind the other. */
export function stackedExperts({ name, source, type, shape, offset, bytes }: TensorInfo): StackedTensor {
  const experts = shape.length > 1 ? (shape.at(-1) ?? 0) : 0;
  const each = bytes / experts;
  const slab = (expert: number): FileSlab => {
    if (!Number.isInteger(expert) || expert < 0 || expert >= experts) throw unknownExpert({ name, shape }, expert);
    return { source, offset: offset + expert * each, bytes: each };
  };
  return { name, type, shape, slab };
}

/**
 * Experts in tensors of their own, all of one shape.
 * @param name of all together
 * @throws MODEL_TENSOR_INVALID when they do not have the same type
 */
export function separateExperts(name: string, tensors: readonly TensorInfo[]): StackedTensor {
  const [first] = tensors as [TensorInfo];
  const { type } = first;
  const stray = tensors.find((tensor) => tensor.type !== type);
  if (stray !== undefined) {
    const problem = `has the type ${TYPE_TRAITS[stray.type].name}, but '${first.name}' has ${TYPE_TRAITS[type].name}`;
    throw tensorError(stray.source.path, stray.name, problem);
  }
  const shape = [...first.shape, tensors.length];
  const slab = (expert: number): FileSlab => {
    const tensor = tensors[expert];
    if (tensor === undefined) throw unknownExpert({ name, shape }, expert);
    const { source, offset, bytes } = tensor;
    return { source, offset, bytes };
  };
  return { name, type, shape, slab };
}

function unknownExpert({ name, shape }: Pick<StackedTensor, "name" | "shape">, expert: number): Error {
  return remoeError("EXPERT_UNKNOWN", { tensor: name, shape: shape.join(", "), expert });
}

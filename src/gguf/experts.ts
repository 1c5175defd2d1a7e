import { remoeError } from "../core/errors.ts";
import type { TensorInfo } from "./tensor-table.ts";

/**
 * Where one expert's part of a stacked expert tensor lies in the file. Experts are the last dimension
 * (`[in, out, experts]`, biases `[out, experts]`), so a part is contiguous.
 * @throws EXPERT_UNKNOWN when the tensor is not stacked or has fewer experts
 */
export function expertSlab(tensor: TensorInfo, expert: number): { readonly offset: number; readonly bytes: number } {
  const experts = tensor.shape.length > 1 ? (tensor.shape.at(-1) ?? 0) : 0;
  if (!Number.isInteger(expert) || expert < 0 || expert >= experts) {
    throw remoeError("EXPERT_UNKNOWN", { tensor: tensor.name, shape: tensor.shape.join(", "), expert });
  }
  const bytes = tensor.bytes / experts;
  return { offset: tensor.offset + expert * bytes, bytes };
}

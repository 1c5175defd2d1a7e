import { remoeError } from "../core/errors.ts";
import { checkLimit } from "./limits.ts";
import type { MetadataValue } from "./metadata-value.ts";

export const ALIGNMENT_KEY = "general.alignment";

const DEFAULT_ALIGNMENT = 32;

/** The format wants a multiple of 8, so that every element type can be read in place. */
const MIN_ALIGNMENT = 8;

/**
 * The alignment of a file's tensors, from the value of {@link ALIGNMENT_KEY}.
 * @throws MODEL_METADATA_INVALID, MODEL_LIMIT_EXCEEDED
 */
export function alignmentOf(path: string, value: MetadataValue | undefined): number {
  if (value === undefined) return DEFAULT_ALIGNMENT;
  if (value.type !== "uint32" || value.value < MIN_ALIGNMENT || !Number.isInteger(Math.log2(value.value))) {
    const problem = `must be a uint32 and a power of two of at least ${MIN_ALIGNMENT}`;
    throw remoeError("MODEL_METADATA_INVALID", { path, key: ALIGNMENT_KEY, problem });
  }
  checkLimit(path, "alignment", value.value);
  return value.value;
}

/** The next multiple of `alignment`, for offsets beyond 2^31 too. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

import { ALIGNMENT_KEY } from "./alignment.ts";
import { partPath, SPLIT_KEYS } from "./split-format.ts";
import { checkedTensorBytes } from "./tensor-table.ts";
import { type GgufContent, type TensorSource, writeGguf } from "./write.ts";

/** Where a model is cut: a part is full when the next tensor would exceed a limit; it has one tensor at least. */
export interface PartLimits {
  readonly maxTensors?: number | undefined;
  /** Of the tensors' data. */
  readonly maxBytes?: number | undefined;
}

/**
 * Writes a model as a set of files, `<prefix>-00001-of-0000N.gguf` and so on, the metadata in the first. After an error
 * the parts that are complete stay.
 * @returns the paths of the parts
 * @throws what {@link writeGguf} throws
 */
export function writeGgufParts(prefix: string, content: GgufContent, limits: PartLimits): readonly string[] {
  const { metadata, tensors } = content;
  const parts = cut(tensors, prefix, limits);
  // Every file is aligned by its own metadata.
  const alignment = metadata.filter(([key]) => key === ALIGNMENT_KEY);
  return parts.map((own, index) => {
    const path = partPath(prefix, index, parts.length);
    const split = [
      [SPLIT_KEYS.index, { type: "uint16", value: index }],
      [SPLIT_KEYS.count, { type: "uint16", value: parts.length }],
      [SPLIT_KEYS.tensors, { type: "int32", value: tensors.length }],
    ] as const;
    writeGguf(path, { metadata: [...(index === 0 ? metadata : alignment), ...split], tensors: own });
    return path;
  });
}

function cut(tensors: readonly TensorSource[], path: string, limits: PartLimits): readonly TensorSource[][] {
  const { maxTensors = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = limits;
  const parts: TensorSource[][] = [[]];
  let partBytes = 0;
  for (const tensor of tensors) {
    const bytes = checkedTensorBytes(path, tensor);
    const { length } = parts.at(-1) as TensorSource[];
    if (length > 0 && (length >= maxTensors || partBytes + bytes > maxBytes)) {
      parts.push([]);
      partBytes = 0;
    }
    parts.at(-1)?.push(tensor);
    partBytes += bytes;
  }
  return parts;
}

import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { architectureOf } from "./registry.ts";
import { TensorRows } from "./tensor-rows.ts";
import { requireTensor } from "./weight-specs.ts";

/**
 * Every layer's gate as the file stores it, in single precision: row by row the weights of an expert, [experts × hidden].
 * The scale of the norm before the gate is not in it.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID,
 *   MODEL_TENSOR_INVALID
 */
export function gateMatrices(native: Native, file: GgufFile): Float32Array[] {
  const { layers, hidden, experts } = architectureOf(file).hyperParameters(file);
  return Array.from({ length: layers }, (_, layer) => {
    const tensor = requireTensor(file, `blk.${layer}.ffn_gate_inp.weight`, [hidden, experts]);
    using rows = new TensorRows(native, file, { tensor, rows: experts });
    return rows.read(0);
  });
}

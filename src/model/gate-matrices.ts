import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "./registry.ts";
import { requireTensor } from "./require-tensor.ts";
import { TensorRows } from "./tensor-rows.ts";

/**
 * Every layer's gate as the file stores it, in single precision: row by row the weights of an expert, [experts × hidden].
 * The scale of the norm before the gate is not in it.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID,
 *   MODEL_TENSOR_INVALID
 */
export function gateMatrices(native: Native, file: GgufFile): Float32Array[] {
  const { moeBlocks, hidden, experts } = readTransformer(file).hyper;
  return moeBlocks.map((block) => {
    const tensor = requireTensor(file, `blk.${block}.ffn_gate_inp.weight`, [hidden, experts]);
    using rows = new TensorRows(native, { tensor, rows: experts });
    return rows.read(0);
  });
}

import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "./registry.ts";
import { requireTensor } from "./require-tensor.ts";
import { TensorRows } from "./tensor-rows.ts";

/**
 * Every layer's gate as the file stores it, in single precision: row by row the weights of an expert, [experts × hidden].
 * The scale of the norm before the gate is not in it.
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID, what {@link TensorRows} throws
 */
export async function gateMatrices(native: Native, file: GgufFile): Promise<Float32Array[]> {
  const { moeBlocks, hidden, experts } = readTransformer(file).hyper;
  const read = async (block: number): Promise<Float32Array> => {
    const tensor = requireTensor(file, `blk.${block}.ffn_gate_inp.weight`, [hidden, experts]);
    using rows = new TensorRows(native, { tensor, rows: experts });
    return await rows.read(0);
  };
  return Promise.all(moeBlocks.map(read));
}

import type { TensorSource } from "../../gguf/write.ts";
import type { MetadataEntry } from "./metadata.ts";
import type { SynthArchitectureName, SynthShape } from "./shape.ts";
import type { TensorMaker } from "./tensor-maker.ts";

/**
 * How the files of one architecture look, as llama.cpp's converter writes them: what they hold beyond what all files
 * have. One file each in `architectures/`.
 */
export interface SynthArchitecture<Name extends SynthArchitectureName> {
  /** Keys without the architecture's name in front. */
  metadata(shape: SynthShape<Name>): readonly MetadataEntry[];
  /** The tensors of a layer. `make` names them and knows which layer it is. */
  layer(make: TensorMaker, shape: SynthShape<Name>): readonly TensorSource[];
  /** Standard deviation of the token embeddings' elements. Defaults to 1, that of the states they start. */
  embeddingDeviation?(shape: SynthShape<Name>): number;
  /** Tensors outside the layers, but for `token_embd`, `output_norm` and `output`. */
  outside?(make: TensorMaker, shape: SynthShape<Name>): readonly TensorSource[];
}

import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projections } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";

/** Mixtral: the layers of Llama with experts. */
export const llama: SynthArchitecture<"llama"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    count("rope.dimension_count", shape.headWidth),
    count("vocab_size", shape.vocabulary),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
  ],
};

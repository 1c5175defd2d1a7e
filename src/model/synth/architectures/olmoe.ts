import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projections, queryKeyNorms } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";

/** OLMoE: queries and keys normalised over all heads at once, weights of experts not renormalised. */
export const olmoe: SynthArchitecture<"olmoe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...queryKeyNorms(make, { query: shape.heads * shape.headWidth, key: shape.kvHeads * shape.headWidth }),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
  ],
};

import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projections, queryKeyNorms } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";

/** Qwen3-MoE: queries and keys normalised head by head, no shared expert. */
export const qwen3moe: SynthArchitecture<"qwen3moe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth * shape.expertsPerToken),
    count("expert_feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...queryKeyNorms(make, { query: shape.headWidth, key: shape.headWidth }),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
  ],
};

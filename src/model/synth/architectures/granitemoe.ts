import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projections, sharedExpert } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";

/** Granite-MoE: Mixtral's layers with four scales, and a shared expert in some models. */
export const granitemoe: SynthArchitecture<"granitemoe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    count("rope.dimension_count", shape.headWidth),
    count("vocab_size", shape.vocabulary),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
    real("attention.scale", shape.attentionScale),
    real("embedding_scale", shape.embeddingScale),
    real("residual_scale", shape.residualScale),
    real("logit_scale", shape.logitScale),
    ...(shape.sharedWidth === undefined ? [] : [count("expert_shared_feed_forward_length", shape.sharedWidth)]),
  ],
  embeddingDeviation: ({ embeddingScale }) => 1 / embeddingScale,
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
    ...(shape.sharedWidth === undefined ? [] : sharedExpert(make, shape.hidden, shape.sharedWidth)),
  ],
};

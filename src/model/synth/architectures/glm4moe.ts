import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { EXPERT_GATING } from "../expert-gating.ts";
import {
  attentionOutput,
  denseFeedForward,
  experts,
  isDense,
  projectionBiases,
  projections,
  queryKeyNorms,
  sharedExpert,
} from "../layer-tensors.ts";
import { count, flag, real } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

type Shape = SynthShape<"glm4moe">;

/** GLM-4.5: biased projections, half of each head rotates, sigmoid gate with a correction bias. */
export const glm4moe: SynthArchitecture<"glm4moe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.denseWidth),
    count("leading_dense_block_count", shape.denseLayers),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    count("rope.dimension_count", shape.ropeWidth),
    real("rope.freq_base", shape.ropeBase),
    count("expert_feed_forward_length", shape.expertWidth),
    count("expert_shared_count", shape.sharedExperts),
    count("expert_group_count", 1),
    count("expert_group_used_count", 1),
    count("expert_gating_func", EXPERT_GATING.sigmoid),
    real("expert_weights_scale", shape.expertsScale),
    flag("expert_weights_norm", true),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...projectionBiases(make, shape),
    ...(shape.queryKeyNorm ? queryKeyNorms(make, { query: shape.headWidth, key: shape.headWidth }) : []),
    attentionOutput(make, shape),
    // The norm before the feed-forward network, which other architectures call ffn_norm.
    make.norm("post_attention_norm", shape.hidden),
    ...(isDense(make, shape) ? denseFeedForward(make, shape.hidden, shape.denseWidth) : feedForward(make, shape)),
  ],
};

function feedForward(make: TensorMaker, shape: Shape): readonly TensorSource[] {
  return [
    make.gate(),
    make.bias("exp_probs_b", shape.experts),
    ...experts(make, shape),
    ...sharedExpert(make, shape.hidden, shape.sharedExperts * shape.expertWidth),
  ];
}

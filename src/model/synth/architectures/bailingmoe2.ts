import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { EXPERT_GATING } from "../expert-gating.ts";
import { attentionOutput, denseFeedForward, experts, isDense, queryKeyNorms, sharedExpert } from "../layer-tensors.ts";
import { count, flag, real } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

type Shape = SynthShape<"bailingmoe2">;

/** Ling 2: queries, keys and values from one matrix, half of each head rotates, DeepSeek-V3's gate. */
export const bailingmoe2: SynthArchitecture<"bailingmoe2"> = {
  metadata: (shape) => [
    count("vocab_size", shape.vocabulary),
    count("feed_forward_length", shape.denseWidth),
    count("leading_dense_block_count", shape.denseLayers),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    count("rope.dimension_count", shape.ropeWidth),
    real("rope.freq_base", shape.ropeBase),
    count("expert_feed_forward_length", shape.expertWidth),
    count("expert_shared_feed_forward_length", shape.expertWidth),
    count("expert_shared_count", shape.sharedExperts),
    count("expert_group_count", shape.groups),
    count("expert_group_used_count", shape.groupsPerToken),
    count("expert_gating_func", EXPERT_GATING.sigmoid),
    real("expert_weights_scale", shape.expertsScale),
    flag("expert_weights_norm", true),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    make.matrix("attn_qkv", [shape.hidden, (shape.heads + 2 * shape.kvHeads) * shape.headWidth]),
    ...queryKeyNorms(make, { query: shape.headWidth, key: shape.headWidth }),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    ...(isDense(make, shape) ? denseFeedForward(make, shape.hidden, shape.denseWidth) : feedForward(make, shape)),
    ...(make.layer !== undefined && make.layer >= shape.layers ? [make.norm("layer_output_norm", shape.hidden)] : []),
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

import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, denseFeedForward, experts, isDense, projections, sharedExpert } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

/** ERNIE-4.5: softmax gate with a correction bias, shared experts. */
export const ernie45Moe: SynthArchitecture<"ernie4_5-moe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.denseWidth),
    count("leading_dense_block_count", shape.denseLayers),
    count("interleave_moe_layer_step", 1),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
    count("expert_feed_forward_length", shape.expertWidth),
    count("expert_shared_count", shape.sharedExperts),
    count("expert_shared_feed_forward_length", shape.sharedWidth),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    ...(isDense(make, shape) ? denseFeedForward(make, shape.hidden, shape.denseWidth) : feedForward(make, shape)),
  ],
};

function feedForward(make: TensorMaker, shape: SynthShape<"ernie4_5-moe">): readonly TensorSource[] {
  return [
    make.gate(),
    make.bias("exp_probs_b", shape.experts),
    ...experts(make, shape),
    ...sharedExpert(make, shape.hidden, shape.sharedWidth),
  ];
}

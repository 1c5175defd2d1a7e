import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projectionBiases, projections } from "../layer-tensors.ts";
import { count, real, text } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

/** gpt-oss: biases everywhere, attention sinks, every other layer sees a window only. */
export const gptOss: SynthArchitecture<"gpt-oss"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    count("expert_feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    count("attention.sliding_window", shape.slidingWindow),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
    text("rope.scaling.type", "yarn"),
    real("rope.scaling.factor", shape.yarn.factor),
    count("rope.scaling.original_context_length", shape.yarn.trainedContext),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...projectionBiases(make, shape),
    attentionOutput(make, shape),
    make.bias("attn_output", shape.hidden),
    make.numbers("attn_sinks.weight", [shape.heads], 1),
    // The norm before the feed-forward network, which other architectures call ffn_norm.
    make.norm("post_attention_norm", shape.hidden),
    make.gate(),
    make.bias("ffn_gate_inp", shape.experts),
    ...experts(make, shape),
    ...expertBiases(make, shape),
  ],
};

function expertBiases(make: TensorMaker, shape: SynthShape<"gpt-oss">): readonly TensorSource[] {
  const { hidden, expertWidth, experts: expertCount } = shape;
  return [
    make.bias("ffn_gate_exps", expertWidth, expertCount),
    make.bias("ffn_up_exps", expertWidth, expertCount),
    make.bias("ffn_down_exps", hidden, expertCount),
  ];
}

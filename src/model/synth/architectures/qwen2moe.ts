import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projectionBiases, projections, sharedExpert } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";

/** Qwen2-MoE: biased projections, and a shared expert that a gate of its own weighs. */
export const qwen2moe: SynthArchitecture<"qwen2moe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.sharedWidth),
    count("expert_feed_forward_length", shape.expertWidth),
    count("expert_shared_feed_forward_length", shape.sharedWidth),
    count("attention.head_count_kv", shape.kvHeads),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    real("rope.freq_base", shape.ropeBase),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...projectionBiases(make, shape),
    attentionOutput(make, shape),
    make.norm("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
    make.numbers("ffn_gate_inp_shexp.weight", [shape.hidden], 1 / Math.sqrt(shape.hidden)),
    ...sharedExpert(make, shape.hidden, shape.sharedWidth),
  ],
};

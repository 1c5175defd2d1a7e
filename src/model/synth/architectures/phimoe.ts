import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput, experts, projectionBiases, projections } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";

/** Phi-3.5-MoE: biases everywhere but in the experts, other rotary angles in long contexts than in short ones. */
export const phimoe: SynthArchitecture<"phimoe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.sliding_window", shape.contextLength),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    count("rope.dimension_count", shape.headWidth),
    real("rope.freq_base", shape.ropeBase),
    count("rope.scaling.original_context_length", shape.trainedContext),
    real("rope.scaling.attn_factor", attentionFactor(shape)),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    make.bias("attn_norm", shape.hidden),
    ...projections(make, shape),
    ...projectionBiases(make, shape),
    attentionOutput(make, shape),
    make.bias("attn_output", shape.hidden),
    make.norm("ffn_norm", shape.hidden),
    make.bias("ffn_norm", shape.hidden),
    make.gate(),
    ...experts(make, shape),
  ],
  outside: (make, shape) => [
    make.bias("output_norm", shape.hidden),
    make.bias("output", shape.vocabulary),
    make.norm("rope_factors_long", shape.headWidth / 2),
    make.norm("rope_factors_short", shape.headWidth / 2),
  ],
};

/** How LongRoPE (Ding et al., 2024) sharpens attention in contexts longer than trained. */
function attentionFactor({ contextLength, trainedContext }: SynthShape<"phimoe">): number {
  return Math.sqrt(1 + Math.log(contextLength / trainedContext) / Math.log(trainedContext));
}

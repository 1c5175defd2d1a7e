import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { attentionOutput } from "../layer-tensors.ts";
import { count, real } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

/** Small beside the token embeddings, so that what the token is decides more than where it stands. */
const POSITION_DEVIATION = 0.1;

/** GPT-2 with experts, an architecture of Remoe's own (docs/models.md). */
export const gpt2moe: SynthArchitecture<"gpt2moe"> = {
  metadata: (shape) => [
    count("feed_forward_length", shape.expertWidth),
    real("attention.layer_norm_epsilon", shape.epsilon),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    make.bias("attn_norm", shape.hidden),
    make.matrix("attn_qkv", [shape.hidden, 3 * shape.hidden]),
    make.bias("attn_qkv", 3 * shape.hidden),
    attentionOutput(make, shape),
    make.bias("attn_output", shape.hidden),
    make.norm("ffn_norm", shape.hidden),
    make.bias("ffn_norm", shape.hidden),
    make.gate(),
    ...biasedExperts(make, shape),
  ],
  outside: (make, shape) => [
    make.numbers("position_embd.weight", [shape.hidden, shape.contextLength], POSITION_DEVIATION),
    make.bias("output_norm", shape.hidden),
  ],
};

/** Experts without a gate matrix: up, GELU, down. */
function biasedExperts(make: TensorMaker, shape: SynthShape<"gpt2moe">): readonly TensorSource[] {
  const { hidden, expertWidth, experts } = shape;
  return [
    make.matrix("ffn_up_exps", [hidden, expertWidth, experts]),
    make.bias("ffn_up_exps", expertWidth, experts),
    make.residual("ffn_down_exps", [expertWidth, hidden, experts]),
    make.bias("ffn_down_exps", hidden, experts),
  ];
}

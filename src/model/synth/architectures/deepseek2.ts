import type { TensorSource } from "../../../gguf/write.ts";
import type { SynthArchitecture } from "../architecture.ts";
import { EXPERT_GATING } from "../expert-gating.ts";
import { denseFeedForward, experts, isDense, sharedExpert } from "../layer-tensors.ts";
import { count, flag, type MetadataEntry, real, text } from "../metadata.ts";
import type { SynthShape } from "../shape.ts";
import type { TensorMaker } from "../tensor-maker.ts";

type Shape = SynthShape<"deepseek2">;

/** llama.cpp knows DeepSeek-V2-Lite by its 27 layers, and wants the rank of queries in files of any other number. */
const LITE_LAYERS = 27;

/** DeepSeek-V2 and V3: keys and values come from one small latent state, which is all that the cache holds. */
export const deepseek2: SynthArchitecture<"deepseek2"> = {
  metadata: (shape) => [
    count("vocab_size", shape.vocabulary),
    count("feed_forward_length", shape.denseWidth),
    count("leading_dense_block_count", shape.denseLayers),
    ...attentionNumbers(shape),
    count("expert_feed_forward_length", shape.expertWidth),
    count("expert_shared_count", shape.sharedExperts),
    real("expert_weights_scale", shape.expertsScale),
    ...gateNumbers(shape),
    count("rope.dimension_count", shape.ropeWidth),
    real("rope.freq_base", shape.ropeBase),
    real("attention.layer_norm_rms_epsilon", shape.epsilon),
    ...yarnNumbers(shape),
  ],
  layer: (make, shape) => [
    make.norm("attn_norm", shape.hidden),
    ...attention(make, shape),
    make.norm("ffn_norm", shape.hidden),
    ...(isDense(make, shape) ? denseFeedForward(make, shape.hidden, shape.denseWidth) : feedForward(make, shape)),
  ],
};

/** With split matrices the file describes attention as it is computed: one wide head of keys, shared by all queries. */
function attentionNumbers(shape: Shape): readonly MetadataEntry[] {
  const { heads, headWidth, valueWidth, kvRank, ropeWidth, keyValueMatrix } = shape;
  const widths =
    keyValueMatrix === "whole"
      ? { head_count_kv: heads, key_length: headWidth, value_length: valueWidth }
      : {
          head_count_kv: 1,
          key_length: kvRank + ropeWidth,
          value_length: kvRank,
          key_length_mla: headWidth,
          value_length_mla: valueWidth,
        };
  return [
    ...Object.entries(widths).map(([key, width]) => count(`attention.${key}`, width)),
    ...queryRank(shape),
    count("attention.kv_lora_rank", kvRank),
  ];
}

function queryRank({ queryRank: rank, layers }: Shape): readonly MetadataEntry[] {
  if (rank === undefined && layers === LITE_LAYERS) return [];
  return [count("attention.q_lora_rank", rank ?? 0)];
}

function gateNumbers({ groupedGate }: Shape): readonly MetadataEntry[] {
  const { groups, groupsPerToken } = groupedGate ?? { groups: 1, groupsPerToken: 1 };
  return [
    count("expert_gating_func", groupedGate === undefined ? EXPERT_GATING.softmax : EXPERT_GATING.sigmoid),
    count("expert_group_count", groups),
    count("expert_group_used_count", groupsPerToken),
    ...(groupedGate === undefined ? [] : [flag("expert_weights_norm", true)]),
  ];
}

function yarnNumbers({ yarn, yarnAttentionScale }: Shape): readonly MetadataEntry[] {
  if (yarn === undefined) return [];
  return [
    text("rope.scaling.type", "yarn"),
    real("rope.scaling.factor", yarn.factor),
    count("rope.scaling.original_context_length", yarn.trainedContext),
    // The converter stores a tenth of the model's number.
    real("rope.scaling.yarn_log_multiplier", 0.1 * (yarnAttentionScale ?? 0)),
  ];
}

function attention(make: TensorMaker, shape: Shape): readonly TensorSource[] {
  const { hidden, heads, kvRank, ropeWidth, valueWidth } = shape;
  return [
    ...queries(make, shape),
    make.matrix("attn_kv_a_mqa", [hidden, kvRank + ropeWidth]),
    make.norm("attn_kv_a_norm", kvRank),
    ...keysAndValues(make, shape),
    make.residual("attn_output", [heads * valueWidth, hidden]),
  ];
}

function queries(make: TensorMaker, { hidden, heads, headWidth, queryRank: rank }: Shape): readonly TensorSource[] {
  if (rank === undefined) return [make.matrix("attn_q", [hidden, heads * headWidth])];
  return [
    make.matrix("attn_q_a", [hidden, rank]),
    make.norm("attn_q_a_norm", rank),
    make.matrix("attn_q_b", [rank, heads * headWidth]),
  ];
}

function keysAndValues(make: TensorMaker, shape: Shape): readonly TensorSource[] {
  const { heads, kvRank, headWidth, ropeWidth, valueWidth } = shape;
  const keyWidth = headWidth - ropeWidth;
  if (shape.keyValueMatrix === "whole") {
    return [make.matrix("attn_kv_b", [kvRank, heads * (keyWidth + valueWidth)])];
  }
  return [make.matrix("attn_k_b", [keyWidth, kvRank, heads]), make.matrix("attn_v_b", [kvRank, valueWidth, heads])];
}

function feedForward(make: TensorMaker, shape: Shape): readonly TensorSource[] {
  const { hidden, experts: expertCount, sharedExperts, expertWidth } = shape;
  return [
    make.gate(),
    ...(shape.groupedGate === undefined ? [] : [make.bias("exp_probs_b", expertCount)]),
    ...experts(make, shape),
    ...sharedExpert(make, hidden, sharedExperts * expertWidth),
  ];
}

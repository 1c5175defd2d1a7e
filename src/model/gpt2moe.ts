import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { topKGate } from "./blocks/gate.ts";
import { groupedQuery } from "./blocks/grouped-query.ts";
import type { Norm } from "./blocks/linear.ts";
import { ModelKeys } from "./model-keys.ts";
import { composeTransformer } from "./transformer.ts";

/**
 * GPT2-moe: GPT-2 with experts in place of its feed-forward networks, as in Remoe's evaluation (arXiv 2512.18674): learned
 * positions, LayerNorm, GELU, biases. llama.cpp does not know it; docs/models.md has its keys and tensors.
 */
export const gpt2moe: Architecture = {
  name: "gpt2moe",
  read(file) {
    const keys = new ModelKeys(file, "gpt2moe");
    const norm: Norm = { kind: "layer", epsilon: keys.number("attention.layer_norm_epsilon") };
    const expertWidth = keys.count("feed_forward_length");
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: null }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true }),
      experts: routedExperts(keys, { width: expertWidth, activation: "gelu", hasBiases: true }),
      expertWidth,
      hasLearnedPositions: true,
    });
  },
};

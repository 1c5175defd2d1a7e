import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { readRmsNorm, sharedExperts } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Granite-MoE: scales on embeddings, attention's scores, residual stream and logits. */
export const granitemoe: Architecture = {
  name: "granitemoe",
  read(file) {
    const keys = new ModelKeys(file, "granitemoe");
    const norm = readRmsNorm(keys);
    const expertWidth = keys.count("feed_forward_length");
    const residualScale = keys.numberOr("residual_scale", 0) || 1;
    const scale = keys.numberOr("attention.scale", 0) || undefined;
    const rope = readRope(keys, "adjacent", headWidthOf(keys));
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope, scale, residualScale }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: sharedExperts(keys, keys.countOr("expert_shared_feed_forward_length", 0), 1),
      residualScale,
      embeddingScale: keys.numberOr("embedding_scale", 0) || 1,
      logitScale: keys.number("logit_scale"),
    });
  },
};

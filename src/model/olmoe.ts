import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** OLMoE: queries and keys normalised over all heads at once, weights of the chosen experts as the softmax has them. */
export const olmoe: Architecture = {
  name: "olmoe",
  read(file) {
    const keys = new ModelKeys(file, "olmoe");
    const norm = readRmsNorm(keys);
    const expertWidth = keys.count("feed_forward_length");
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "halves", headWidthOf(keys)), normQueries: "row" }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: false }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
    });
  },
};

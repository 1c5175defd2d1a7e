import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readGroups, readScoring, readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { denseBlocks, readExpertWidth, readRmsNorm, sharedExperts } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Ling 2: the first blocks without experts, experts in groups chosen by a sigmoid with a learned bias. */
export const bailingmoe2: Architecture = {
  name: "bailingmoe2",
  read(file) {
    const keys = new ModelKeys(file, "bailingmoe2");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const count = keys.count("expert_shared_count");
    const sharedWidth = keys.countOr("expert_shared_feed_forward_length", expertWidth) * count;
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "halves", headWidthOf(keys)), normQueries: "heads" }),
      gate: topKGate(keys, {
        norm,
        scoring: readScoring(keys, "sigmoid"),
        isNormalised: keys.flagOr("expert_weights_norm", false),
        scale: readWeightsScale(keys),
        groups: readGroups(keys),
      }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: sharedExperts(keys, sharedWidth, count),
      ...denseBlocks(keys, { norm, normName: "ffn_norm" }),
    });
  },
};

import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readGroups, readScoring, readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { denseBlocks, readExpertWidth, readRmsNorm, sharedExperts } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** GLM-4.5: the first blocks without experts, sigmoid gate with a learned bias for the choice, a shared expert. */
export const glm4moe: Architecture = {
  name: "glm4moe",
  read(file) {
    const keys = new ModelKeys(file, "glm4moe");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const shared = keys.countOr("expert_shared_count", 0);
    const normName = "post_attention_norm";
    const normQueries = file.tensors.has("blk.0.attn_q_norm.weight") ? "heads" : "none";
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "halves", headWidthOf(keys)), normQueries }),
      gate: topKGate(keys, {
        norm,
        normName,
        scoring: readScoring(keys, "sigmoid"),
        isNormalised: keys.flagOr("expert_weights_norm", false),
        scale: readWeightsScale(keys),
        groups: readGroups(keys),
      }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: sharedExperts(keys, shared * expertWidth, shared),
      ...denseBlocks(keys, { norm, normName }),
    });
  },
};

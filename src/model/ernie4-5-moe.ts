import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { denseBlocks, readExpertWidth, readRmsNorm, sharedExperts } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** ERNIE 4.5: experts in every `interleave_moe_layer_step`-th block after the leading ones, a bias for the choice. */
export const ernie45moe: Architecture = {
  name: "ernie4_5-moe",
  read(file) {
    const keys = new ModelKeys(file, "ernie4_5-moe");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const step = keys.count("interleave_moe_layer_step");
    const { dense, hasExperts } = denseBlocks(keys, { norm, normName: "ffn_norm" });
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "adjacent", headWidthOf(keys)) }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true, scale: readWeightsScale(keys) }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: sharedExperts(
        keys,
        keys.countOr("expert_shared_feed_forward_length", 0),
        keys.countOr("expert_shared_count", 1),
      ),
      dense,
      hasExperts: (block) => hasExperts(block) && (block + 1) % step === 0,
    });
  },
};

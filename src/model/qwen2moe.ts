import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { weighedSharedExperts } from "./blocks/feed-forward.ts";
import { readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { readExpertWidth, readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Qwen1.5-MoE and Qwen2-MoE: biases on queries, keys and values, a shared expert that every token weighs by itself. */
export const qwen2moe: Architecture = {
  name: "qwen2moe",
  read(file) {
    const keys = new ModelKeys(file, "qwen2moe");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const width = keys.countOr("expert_shared_feed_forward_length", 0) || keys.count("feed_forward_length");
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "halves", headWidthOf(keys)) }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: false, scale: readWeightsScale(keys) }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: { part: weighedSharedExperts({ hidden: keys.count("embedding_length"), width }), width, count: 1 },
    });
  },
};

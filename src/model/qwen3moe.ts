import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { readExpertWidth, readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Qwen3-MoE: normalised queries and keys, softmax over all experts, weights of the chosen renormalised. */
export const qwen3moe: Architecture = {
  name: "qwen3moe",
  read(file) {
    const keys = new ModelKeys(file, "qwen3moe");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "halves", headWidthOf(keys)), normQueries: "heads" }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true, scale: readWeightsScale(keys) }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
    });
  },
};

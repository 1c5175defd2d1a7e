import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { findRopeFactors, readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Phi-3.5-MoE: biases all over, queries scaled before attention, other rotary frequencies for long contexts. */
export const phimoe: Architecture = {
  name: "phimoe",
  read(file, contextLength) {
    const keys = new ModelKeys(file, "phimoe");
    const norm = readRmsNorm(keys);
    const expertWidth = keys.count("feed_forward_length");
    const rope = readRope(keys, "halves", headWidthOf(keys));
    const isLong = (contextLength ?? keys.count("context_length")) > rope.trainedContext;
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope, scalesQueries: true }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      ropeFactors: findRopeFactors(file, isLong),
    });
  },
};

import { remoeError } from "../core/errors.ts";
import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { findRopeFactors, readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** Mixtral, which calls itself `llama` with experts. */
export const llama: Architecture = {
  name: "llama",
  read(file) {
    const keys = new ModelKeys(file, "llama");
    if (keys.countOr("expert_count", 0) === 0) throw remoeError("MODEL_HAS_NO_EXPERTS", { path: file.path });
    const norm = readRmsNorm(keys);
    const expertWidth = keys.count("feed_forward_length");
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope: readRope(keys, "adjacent", headWidthOf(keys)) }),
      gate: topKGate(keys, { norm, scoring: "softmax", isNormalised: true, scale: readWeightsScale(keys) }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      ropeFactors: findRopeFactors(file),
    });
  },
};

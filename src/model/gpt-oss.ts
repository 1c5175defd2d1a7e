import type { Architecture, Window } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readWeightsScale, topKGate } from "./blocks/gate.ts";
import { groupedQuery, headWidthOf } from "./blocks/grouped-query.ts";
import { readRope } from "./blocks/rope.ts";
import { ModelKeys } from "./model-keys.ts";
import { readExpertWidth, readRmsNorm } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** gpt-oss: biases all over, attention sinks, a sliding window in every other block, softmax over the chosen experts. */
export const gptOss: Architecture = {
  name: "gpt-oss",
  read(file) {
    const keys = new ModelKeys(file, "gpt-oss");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const rope = readRope(keys, "halves", headWidthOf(keys));
    const gate = { norm, normName: "post_attention_norm", scoring: "softmax-chosen", isNormalised: false } as const;
    return composeTransformer(keys, {
      norm,
      attention: groupedQuery(keys, { norm, rope, hasSinks: true }),
      gate: topKGate(keys, { ...gate, scale: readWeightsScale(keys) }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu-clamped", hasBiases: true }),
      expertWidth,
      window: readWindow(keys),
      cutsLastBlock: false,
    });
  },
};

/** The first of every `period` blocks but the last one see a window only. */
function readWindow(keys: ModelKeys): Window {
  const period = keys.countOr("attention.sliding_window_pattern", 2);
  return { size: keys.count("attention.sliding_window"), isIn: (block) => block % period < period - 1 };
}

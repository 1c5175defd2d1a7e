import type { Architecture } from "./architecture.ts";
import { routedExperts } from "./blocks/experts.ts";
import { readGroups, readScoring, readWeightsScale, topKGate } from "./blocks/gate.ts";
import { latentAttention } from "./blocks/latent-attention.ts";
import { ModelKeys } from "./model-keys.ts";
import { denseBlocks, readExpertWidth, readRmsNorm, sharedExperts } from "./read-sizes.ts";
import { composeTransformer } from "./transformer.ts";

/** DeepSeek-V2 and V3: latent attention, the first blocks without experts, shared experts, experts in groups (V3). */
export const deepseek2: Architecture = {
  name: "deepseek2",
  read(file) {
    const keys = new ModelKeys(file, "deepseek2");
    const norm = readRmsNorm(keys);
    const expertWidth = readExpertWidth(keys);
    const count = keys.count("expert_shared_count");
    return composeTransformer(keys, {
      norm,
      attention: latentAttention(keys, norm),
      gate: topKGate(keys, {
        norm,
        scoring: readScoring(keys, "softmax"),
        isNormalised: keys.flagOr("expert_weights_norm", false),
        scale: readWeightsScale(keys),
        groups: readGroups(keys),
      }),
      experts: routedExperts(keys, { width: expertWidth, activation: "swiglu" }),
      expertWidth,
      shared: sharedExperts(keys, count * expertWidth, count),
      ...denseBlocks(keys, { norm, normName: "ffn_norm" }),
    });
  },
};

import type { GraphBuilder } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { BlockScope, Gate } from "../architecture.ts";
import type { ModelKeys } from "../model-keys.ts";
import { linear, type Norm, normalise } from "./linear.ts";
import type { GatePart } from "./part.ts";

export interface GateOptions {
  readonly norm: Norm;
  /** The norm before the experts, by its name. */
  readonly normName?: string;
  /**
   * What a token's score for an expert becomes: a share of all experts (`softmax`), a number of its own (`sigmoid`), or
   * a share of the chosen ones (`softmax-chosen`).
   */
  readonly scoring: "softmax" | "sigmoid" | "softmax-chosen";
  /** The chosen experts' weights are divided by their sum. */
  readonly isNormalised: boolean;
  /** What the weights are multiplied with at last. */
  readonly scale?: number;
  /** Experts are chosen from the `used` best of `count` groups (DeepSeek-V3). */
  readonly groups?: ExpertGroups | null;
}

export interface ExpertGroups {
  readonly count: number;
  readonly used: number;
}

const SCORINGS = [undefined, "softmax", "sigmoid", "softmax-chosen"] as const;

/** `expert_gating_func`. @throws MODEL_METADATA_INVALID */
export function readScoring(keys: ModelKeys, fallback: GateOptions["scoring"]): GateOptions["scoring"] {
  const id = keys.countOr("expert_gating_func", 0);
  if (id === 0) return fallback;
  const scoring = SCORINGS[id];
  if (scoring !== undefined) return scoring;
  throw keys.invalid("expert_gating_func", `is ${id}, expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the chosen)`);
}

/** `expert_group_count` and `expert_group_used_count`. @throws MODEL_METADATA_INVALID */
export function readGroups(keys: ModelKeys): ExpertGroups | null {
  const count = keys.countOr("expert_group_count", 0);
  if (count <= 1) return null;
  const used = keys.count("expert_group_used_count");
  const experts = keys.count("expert_count");
  const each = experts / count;
  // A group is judged by its two best experts.
  const isEven = Number.isInteger(each) && each >= 2;
  if (isEven && used <= count && used * each >= keys.count("expert_used_count")) return { count, used };
  throw keys.invalid("expert_group_count", `is ${count}, which ${experts} experts or ${used} used groups do not fit`);
}

/** `expert_weights_scale`, where 0 means 1. @throws MODEL_METADATA_INVALID */
export function readWeightsScale(keys: ModelKeys): number {
  return keys.numberOr("expert_weights_scale", 0) || 1;
}

interface Sizes {
  readonly experts: number;
  readonly expertsPerToken: number;
}

/** Top-k gate over a linear score of the normalised residual stream. */
export function topKGate(keys: ModelKeys, options: GateOptions): GatePart {
  const hidden = keys.count("embedding_length");
  const sizes: Sizes = { experts: keys.count("expert_count"), expertsPerToken: keys.count("expert_used_count") };
  const { normName = "ffn_norm" } = options;
  return {
    weights: (tensors) => [
      ...tensors.norm(normName, hidden),
      ...tensors.linear("ffn_gate_inp", [hidden, sizes.experts]),
      ...tensors.bias("exp_probs_b", sizes.experts),
    ],
    gate: (g, scope, h) => gate(g, scope, h, { ...options, normName, ...sizes }),
  };
}

type GateContext = GateOptions & Sizes & { readonly normName: string };

function gate(g: GraphBuilder, scope: BlockScope, h: Tensor, context: GateContext): Gate {
  const { experts, expertsPerToken: k, scoring, isNormalised, scale = 1 } = context;
  const input = normalise(g, scope.weights, context.normName, h, context.norm);
  const scores = score(g, linear(g, scope.weights, "ffn_gate_inp", input), scoring); // [experts, tokens]
  const chosen = g.topK(preferences(g, scope, scores, context), k);
  const picked = g.pick(scores, chosen, experts, k);
  const shares = scoring === "softmax-chosen" ? g.softmax(picked) : picked;
  const normed = isNormalised ? g.normaliseRows(shares) : shares;
  const scaled = scale === 1 ? normed : g.scale(normed, scale);
  return { input, chosen, weights: scaled === picked ? g.contiguous(picked) : scaled };
}

function score(g: GraphBuilder, logits: Tensor, scoring: GateOptions["scoring"]): Tensor {
  if (scoring === "softmax") return g.softmax(logits);
  return scoring === "sigmoid" ? g.sigmoid(logits) : logits;
}

/** What experts are ranked by: the scores, with a learned bias and without the groups that are not among the best. */
function preferences(g: GraphBuilder, scope: BlockScope, scores: Tensor, { groups, experts }: GateContext): Tensor {
  const bias = scope.weights.find("exp_probs_b.bias");
  const biased = bias === undefined ? scores : g.add(scores, bias);
  return groups == null ? biased : g.bestGroups(biased, { experts, ...groups });
}

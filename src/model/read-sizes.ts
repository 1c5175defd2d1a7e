import type { GgufFile } from "../gguf/read.ts";
import { denseFeedForward, gatedFeedForward } from "./blocks/feed-forward.ts";
import type { Norm } from "./blocks/linear.ts";
import type { ModelKeys } from "./model-keys.ts";
import type { SharedNetwork, TransformerParts } from "./transformer.ts";

/** @throws MODEL_METADATA_INVALID */
export function readRmsNorm(keys: ModelKeys): Norm {
  return { kind: "rms", epsilon: keys.number("attention.layer_norm_rms_epsilon") };
}

/**
 * Width inside one expert. Older files only say what the chosen experts have together.
 * @throws MODEL_METADATA_INVALID
 */
export function readExpertWidth(keys: ModelKeys): number {
  const together = keys.countOr("feed_forward_length", 0);
  const width = keys.countOr("expert_feed_forward_length", together / keys.count("expert_used_count"));
  if (width > 0) return width;
  throw keys.invalid("expert_feed_forward_length", "is missing");
}

/** Experts that every token goes to; `null` for none. `width`: inside all of them together. */
export function sharedExperts(keys: ModelKeys, width: number, count: number): SharedNetwork | null {
  if (width === 0) return null;
  const part = gatedFeedForward({ hidden: keys.count("embedding_length"), width, suffix: "_shexp" });
  return { part, width, count };
}

/**
 * The leading blocks without experts.
 * @throws MODEL_METADATA_INVALID
 */
export function denseBlocks(
  keys: ModelKeys,
  { norm, normName }: { readonly norm: Norm; readonly normName: string },
): Required<Pick<TransformerParts, "dense" | "hasExperts">> {
  const leading = keys.countOr("leading_dense_block_count", 0);
  const width = keys.countOr("feed_forward_length", 0);
  const part = denseFeedForward({ hidden: keys.count("embedding_length"), width, normName }, norm);
  return { dense: { part, width }, hasExperts: (block) => block >= leading };
}

/** The tensor that divides rotary frequencies, where the file has one: for long contexts there may be another. */
export function findRopeFactors({ tensors }: GgufFile, isLong = false): string | null {
  const names = ["rope_freqs", isLong ? "rope_factors_long" : "rope_factors_short"];
  return names.find((name) => tensors.has(`${name}.weight`)) ?? null;
}

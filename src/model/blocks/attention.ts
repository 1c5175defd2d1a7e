import type { GraphBuilder } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { CachedAttention } from "../architecture.ts";
import type { AttentionPart } from "./part.ts";

/** What scores are multiplied with, and a learned score for every head that takes probability away from the positions. */
export interface ScoreOptions {
  readonly scale: number;
  readonly sinks?: Tensor | undefined;
}

/**
 * Attention over the cache: [valueWidth, heads, rows]; with `byHead`, in bits that do not depend on the number of
 * threads. The kernel gives a row of queries to one thread unless it is the only one: then it cuts a long cache by
 * threads. So a single token is made more than one row.
 */
export function attention(
  g: GraphBuilder,
  { q, k, v, mask, byHead }: CachedAttention,
  { heads, kvHeads, keyWidth, valueWidth }: AttentionPart["shape"],
  { scale, sinks }: ScoreOptions,
): Tensor {
  const scores = { mask, scale, sinks };
  if (!byHead) return g.attention(q, k, v, scores);
  const hasSinks = sinks !== undefined;
  if (kvHeads > 1 && !hasSinks) return g.attentionByHead(q, k, v, scores);
  const rows = { ...scores, mask: g.repeatHead(g.swapHeads(mask), 2) }; // [cached, 2]
  if (heads % 2 === 0 && !hasSinks) {
    // All heads read the same keys: half of them pass for those of another token.
    const attended = g.attention(g.reshape3d(q, keyWidth, heads / 2, 2), k, v, rows);
    return g.reshape3d(attended, valueWidth, heads, 1);
  }
  const row = g.joinHeads(q);
  return g.attention(g.reshape3d(g.concat(row, row), keyWidth, heads, 2), k, v, rows);
}

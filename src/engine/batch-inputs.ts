import { fillCausalMask } from "./mask.ts";

/** What a pass reads of its tokens. */
export interface BatchInputs {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly cacheRows: BigInt64Array;
  /** [span, room] f16 */
  readonly mask: Uint16Array;
  /** The row whose logits are wanted. */
  readonly outRow: Int32Array;
}

/**
 * Writes consecutive tokens, the first at `position`. A pass made for more tokens is filled up: the last token again,
 * with keys and values going to a row of the cache that attention never reads.
 */
export function writeBatchInputs(
  inputs: BatchInputs,
  tokens: readonly number[],
  { position, span, spareRow }: { readonly position: number; readonly span: number; readonly spareRow: number },
): void {
  const room = inputs.tokens.length;
  const last = tokens.length - 1;
  for (let i = 0; i < room; i++) {
    const own = Math.min(i, last);
    inputs.tokens[i] = tokens[own] as number;
    inputs.positions[i] = position + own;
    inputs.cacheRows[i] = BigInt(i <= last ? position + i : spareRow);
  }
  inputs.outRow[0] = last;
  fillCausalMask(inputs.mask, span, position, room);
}

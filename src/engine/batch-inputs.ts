import type { HyperParameters } from "../model/architecture.ts";
import { fillCausalMask } from "./mask.ts";

/** What a pass reads of its tokens. */
export interface BatchInputs {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly cacheRows: BigInt64Array;
  /** [span, room] f16 */
  readonly mask: Uint16Array;
  /** That of blocks with a sliding window; not read if there are none. */
  readonly windowMask: Uint16Array;
  /** The row whose logits are wanted. */
  readonly outRow: Int32Array;
}

/** Where a batch's tokens go. */
export interface BatchPlace extends Pick<HyperParameters, "window"> {
  readonly position: number;
  readonly span: number;
  readonly spareRow: number;
}

/**
 * Writes consecutive tokens, the first at `position`. A pass made for more tokens is filled up: the last token again,
 * with keys and values going to a row of the cache that attention never reads.
 */
export function writeBatchInputs(
  inputs: BatchInputs,
  tokens: readonly number[],
  { position, span, spareRow, window }: BatchPlace,
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
  const rows = { span, firstPosition: position, tokens: room };
  fillCausalMask(inputs.mask, rows);
  if (window !== null) fillCausalMask(inputs.windowMask, { ...rows, window: window.size });
}

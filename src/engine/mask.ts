/** f16 bit patterns of what attention adds to a score. */
const VISIBLE = 0;
const HIDDEN = 0xfc00; // −∞

/** Consecutive tokens and what they may see. */
export interface CausalRows {
  /** Rows of the cache that attention looks at. */
  readonly span: number;
  /** Row of the cache where the sequence begins. Defaults to 0. */
  readonly first?: number | undefined;
  readonly firstPosition: number;
  readonly tokens: number;
  /** Positions a token sees, its own included; all of them by default. */
  readonly window?: number | undefined;
}

/** Token i sees its sequence up to position firstPosition + i, or the last `window` of that. `mask`: [span, tokens] f16 */
export function fillCausalMask(
  mask: Uint16Array,
  { span, first = 0, firstPosition, tokens, window }: CausalRows,
): void {
  for (let i = 0; i < tokens; i++) {
    const row = i * span;
    const end = Math.min(span, first + firstPosition + i + 1);
    const start = window === undefined ? first : Math.max(first, end - window);
    mask.fill(HIDDEN, row, row + start);
    mask.fill(VISIBLE, row + start, row + end);
    mask.fill(HIDDEN, row + end, row + span);
  }
}

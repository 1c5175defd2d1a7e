/** f16 bit patterns of what attention adds to a score. */
const VISIBLE = 0;
const HIDDEN = 0xfc00; // −∞

/** Consecutive tokens and what they may see. */
export interface CausalRows {
  /** Cached positions of a row. */
  readonly span: number;
  readonly firstPosition: number;
  readonly tokens: number;
  /** Positions a token sees, its own included; all of them by default. */
  readonly window?: number | undefined;
}

/** Row i sees the positions up to firstPosition + i, or the last `window` of them. `mask`: [span, tokens] f16 */
export function fillCausalMask(mask: Uint16Array, { span, firstPosition, tokens, window }: CausalRows): void {
  for (let i = 0; i < tokens; i++) {
    const row = i * span;
    const end = Math.min(span, firstPosition + i + 1);
    const start = window === undefined ? 0 : Math.max(0, end - window);
    mask.fill(HIDDEN, row, row + start);
    mask.fill(VISIBLE, row + start, row + end);
    mask.fill(HIDDEN, row + end, row + span);
  }
}

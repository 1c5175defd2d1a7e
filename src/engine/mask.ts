/** f16 bit patterns of what attention adds to a score. */
const VISIBLE = 0;
const HIDDEN = 0xfc00; // −∞

/** Causal mask of consecutive tokens: row i sees positions 0…firstPosition + i. `mask`: [span, tokens] f16 */
export function fillCausalMask(mask: Uint16Array, span: number, firstPosition: number, tokens: number): void {
  for (let i = 0; i < tokens; i++) {
    const row = i * span;
    const visible = Math.min(span, firstPosition + i + 1);
    mask.fill(VISIBLE, row, row + visible);
    mask.fill(HIDDEN, row + visible, row + span);
  }
}

import type { RemoteCall } from "./runtime.ts";

/**
 * Hands the join one row a token instead of one an expert: the sum goes to the slot of the token's first row in the call,
 * with weight 1; its other slots become nothing. Sums over all experts are then added up in another order than the
 * gate's, so a joined number is not the exact one: it differs by at most 2 · (k + 1) · 2⁻²⁴ of
 * Σ |weight · row| + |residual|.
 *
 * A call that was divided among functions may be written part by part: each part has slots of its own.
 * @param sums Σ weight · row over the call's rows of a token: [hidden, tokens]; not read for tokens without rows
 */
export function writePreSummed({ rows, weights, outputs }: RemoteCall, sums: Float32Array): void {
  const hidden = outputs.length / weights.length;
  const firstSlots = new Map<number, number>();
  for (let row = 0; row < rows.count; row++) {
    const [token, slot] = [rows.tokens[row] as number, rows.slots[row] as number];
    firstSlots.set(token, Math.min(slot, firstSlots.get(token) ?? slot));
    outputs.fill(0, slot * hidden, (slot + 1) * hidden);
    weights[slot] = 0;
  }
  for (const [token, slot] of firstSlots) {
    outputs.set(sums.subarray(token * hidden, (token + 1) * hidden), slot * hidden);
    weights[slot] = 1;
  }
}

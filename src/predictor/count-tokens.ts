import type { Shape } from "./example.ts";

/** Tokens that were routed, from counted pairs [layers × experts]. The last layer may have been asked about fewer. */
export function countTokens(pairs: Uint32Array, { experts }: Shape, expertsPerToken: number): number {
  const first = pairs.subarray(0, experts).reduce((sum, count) => sum + count, 0);
  return expertsPerToken === 0 ? 0 : Math.round(first / expertsPerToken);
}

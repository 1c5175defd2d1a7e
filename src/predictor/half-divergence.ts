import { toActivationMatrix } from "./activation-matrix.ts";
import { divergence } from "./divergence.ts";
import type { RoutingSample, Shape } from "./example.ts";
import { expertsPerToken } from "./experts-per-token.ts";

/**
 * Divergence between the activations of a prompt's tokens at even and at odd positions: how much a prompt's matrix
 * depends on which of like tokens are counted. Of at least two tokens.
 */
export function halfDivergence(sample: RoutingSample, shape: Shape): number {
  const halves = [0, 1].map(() => new Uint32Array(shape.layers * shape.experts)) as [Uint32Array, Uint32Array];
  const k = expertsPerToken(sample, shape.layers);
  for (const [pair, expert] of sample.experts.entries()) {
    const gate = Math.floor(pair / k);
    const half = halves[(Math.floor(gate / shape.layers) % 2) as 0 | 1];
    const cell = (gate % shape.layers) * shape.experts + expert;
    half[cell] = (half[cell] as number) + 1;
  }
  const [even, odd] = halves;
  return divergence(toActivationMatrix(even, shape), toActivationMatrix(odd, shape), shape);
}

import { divergence } from "./divergence.ts";
import type { ActivationMatrix, Query, Shape } from "./example.ts";
import type { NeighbourOptions } from "./neighbour-options.ts";
import type { Neighbours } from "./neighbours.ts";

/** Prediction from similar examples in two steps, so that options are compared without searching again. */
export interface NeighbourModel {
  /** The α most similar examples, most similar first. */
  nearest(query: Query, alpha: number): Neighbours;
  combine(query: Query, neighbours: Neighbours, temperature: number): ActivationMatrix;
}

/** A query whose outcome is known, held out from learning. */
export interface HeldOut {
  readonly query: Query;
  readonly truth: ActivationMatrix;
}

/** What is tried: few examples or many, the nearest far ahead of the others or not. */
const CANDIDATES: readonly NeighbourOptions[] = [15, 30, 60].flatMap((alpha) =>
  [0.03, 0.05, 0.1].map((temperature) => ({ alpha, temperature })),
);
const MOST_NEIGHBOURS = Math.max(...CANDIDATES.map(({ alpha }) => alpha));
/** The best in the middle, for want of anything held out. */
const DEFAULT_OPTIONS: NeighbourOptions = { alpha: 15, temperature: 0.05 };

export function predictByNeighbours(
  model: NeighbourModel,
  query: Query,
  { alpha, temperature }: NeighbourOptions,
): ActivationMatrix {
  return model.combine(query, model.nearest(query, alpha), temperature);
}

/** The options of the least mean divergence over held-out queries. Yields after each that is tried. */
export function* tuneNeighbours(
  model: NeighbourModel,
  heldOut: readonly HeldOut[],
  shape: Shape,
): Generator<void, NeighbourOptions, void> {
  if (heldOut.length === 0) return DEFAULT_OPTIONS;
  const losses = CANDIDATES.map(() => 0);
  for (const { query, truth } of heldOut) {
    const most = model.nearest(query, MOST_NEIGHBOURS);
    for (const [c, { alpha, temperature }] of CANDIDATES.entries()) {
      const predicted = model.combine(query, first(most, alpha), temperature);
      losses[c] = (losses[c] as number) + divergence(predicted, truth, shape);
      yield;
    }
  }
  return CANDIDATES[losses.indexOf(Math.min(...losses))] as NeighbourOptions;
}

function first({ indices, similarities }: Neighbours, alpha: number): Neighbours {
  return { indices: indices.slice(0, alpha), similarities: similarities.slice(0, alpha) };
}

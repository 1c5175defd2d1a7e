import type { ActivationMatrix } from "../predictor/example.ts";
import type { LoadBound, RowsAsked } from "./load-bound.ts";
import type { ModelSizes } from "./problem.ts";
import { byUtility } from "./uniform-selection.ts";

/** A finished request: what had been predicted, and what it did activate. */
export interface Forecast {
  readonly predicted: ActivationMatrix;
  readonly truth: ActivationMatrix;
}

export interface ConformalOptions {
  /** Of the request to bound; `null` bounds any request, before its prediction. */
  readonly predicted: ActivationMatrix | null;
  /** What holds in 95 % of requests: the bound of each layer on its own, or those of all layers together. */
  readonly scope: "layer" | "request";
}

type Shape = Pick<ModelSizes, "layers" | "experts" | "expertsPerToken">;

const CONFIDENCE = 0.95;

/** Of the m least useful experts of every layer, for m = 0 … K: [layers × (experts + 1)] */
interface LeastUseful {
  /** Share of the layer's rows that all m take. */
  readonly total: Float64Array;
  /** Share that the one with most takes. */
  readonly most: Float64Array;
}

/** A finished request's experts, in the order of its prediction. */
interface Known {
  readonly actual: LeastUseful;
  readonly expected: LeastUseful;
}

/**
 * Split conformal prediction of the remote share. A finished request's score is the true minus the predicted share of
 * the m experts that its prediction calls least useful; with n of them, the ⌈(n + 1) 0.95⌉-th smallest score on top of
 * the prediction bounds the next request's share with 95 % confidence, whatever routing is like, as long as requests
 * are exchangeable. Before a prediction its part is 0 in both. For all layers together a request's score is that of its
 * worst layer. Fewer than 19 requests bound nothing: then all rows may be remote.
 */
export class ConformalBounds {
  readonly #shape: Shape;
  readonly #known: readonly Known[];

  /** @param forecasts finished requests that the predictor did not learn from */
  constructor(shape: Shape, forecasts: readonly Forecast[]) {
    this.#shape = shape;
    this.#known = forecasts.map(({ predicted, truth }) => ({
      actual: leastUseful(truth, predicted, shape),
      expected: leastUseful(predicted, predicted, shape),
    }));
  }

  bound({ predicted, scope }: ConformalOptions): LoadBound {
    const { layers, experts, expertsPerToken: k } = this.#shape;
    const base = predicted === null ? null : leastUseful(predicted, predicted, this.#shape);
    const everyLayer = Array.from({ length: layers }, (_, layer) => layer);
    const share = (of: keyof LeastUseful, { layer, remote }: RowsAsked): number => {
      const cell = (each: number): number => each * (experts + 1) + remote;
      const cells = (scope === "layer" ? [layer] : everyLayer).map(cell);
      const score = rankedScore(
        this.#known.map((known) => worstScore(known, of, { cells, isFollowed: base !== null })),
      );
      return score === null ? 1 : Math.max(0, (base?.[of][cell(layer)] ?? 0) + score);
    };
    return {
      rows: (asked) => asked.tokens * Math.min(k * share("total", asked), k, asked.remote),
      mostOfOne: (asked) => asked.tokens * Math.min(k * share("most", asked), 1, asked.remote),
    };
  }
}

interface Scored {
  readonly cells: readonly number[];
  /** Whether the prediction is, or nothing is expected. */
  readonly isFollowed: boolean;
}

function worstScore({ actual, expected }: Known, of: keyof LeastUseful, { cells, isFollowed }: Scored): number {
  return Math.max(
    ...cells.map((cell) => (actual[of][cell] as number) - (isFollowed ? (expected[of][cell] as number) : 0)),
  );
}

/** The ⌈(n + 1) 0.95⌉-th smallest; `null` where there are not so many. */
function rankedScore(scores: readonly number[]): number | null {
  const rank = Math.ceil((scores.length + 1) * CONFIDENCE);
  return scores.toSorted((a, b) => a - b)[rank - 1] ?? null;
}

/** What `matrix` says of the experts that `predicted` calls least useful. */
function leastUseful(matrix: ActivationMatrix, predicted: ActivationMatrix, { layers, experts }: Shape): LeastUseful {
  const total = new Float64Array(layers * (experts + 1));
  const most = new Float64Array(layers * (experts + 1));
  for (let layer = 0; layer < layers; layer++) {
    const row = (of: ActivationMatrix): ActivationMatrix => of.subarray(layer * experts, (layer + 1) * experts);
    const shares = row(matrix);
    let [sum, highest] = [0, 0];
    for (const [i, expert] of byUtility(row(predicted)).entries()) {
      const share = shares[expert] as number;
      sum += share;
      highest = Math.max(highest, share);
      total[layer * (experts + 1) + i + 1] = sum;
      most[layer * (experts + 1) + i + 1] = highest;
    }
  }
  return { total, most };
}

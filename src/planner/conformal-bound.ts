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
  readonly sizes: Pick<ModelSizes, "layers" | "experts" | "expertsPerToken">;
  /** Finished requests the predictions did not learn from. */
  readonly forecasts: readonly Forecast[];
  /** Of the request to bound; `null` bounds any request, before its prediction. */
  readonly predicted: ActivationMatrix | null;
  /** What holds in 95 % of requests: the bound of each layer on its own, or those of all layers together. */
  readonly scope: "layer" | "request";
}

const CONFIDENCE = 0.95;

/** Of the m least useful experts of every layer, for m = 0 … K: [layers × (experts + 1)] */
interface LeastUseful {
  /** Share of the layer's rows that all m take. */
  readonly total: Float64Array;
  /** Share that the one with most takes. */
  readonly most: Float64Array;
}

/**
 * Split conformal prediction of the remote share. A finished request's score is the true minus the predicted share of the
 * m experts that its prediction calls least useful; with n of them, the ⌈(n + 1) 0.95⌉-th smallest score above the
 * prediction bounds the next request's share with 95 % confidence, whatever routing is like, as long as requests are
 * exchangeable. Before a prediction its part is 0 in both. For all layers together a request's score is that of its worst
 * layer. Fewer than 19 requests bound nothing: then all rows may be remote.
 */
export class ConformalBound implements LoadBound {
  readonly #options: ConformalOptions;
  readonly #base: LeastUseful | null;
  readonly #scores: readonly LeastUseful[];

  constructor(options: ConformalOptions) {
    const { sizes, predicted, forecasts } = options;
    this.#options = options;
    this.#base = predicted === null ? null : leastUseful(predicted, predicted, sizes);
    this.#scores = forecasts.map((forecast) => {
      const truth = leastUseful(forecast.truth, forecast.predicted, sizes);
      if (predicted === null) return truth;
      const expected = leastUseful(forecast.predicted, forecast.predicted, sizes);
      return { total: minus(truth.total, expected.total), most: minus(truth.most, expected.most) };
    });
  }

  rows(asked: RowsAsked): number {
    const { expertsPerToken: k } = this.#options.sizes;
    return asked.tokens * Math.min(k * this.#share("total", asked), k, asked.remote);
  }

  mostOfOne(asked: RowsAsked): number {
    const share = this.#share("most", asked);
    return asked.tokens * Math.min(this.#options.sizes.expertsPerToken * share, 1, asked.remote);
  }

  #share(of: keyof LeastUseful, { layer, remote }: RowsAsked): number {
    const { layers, experts } = this.#options.sizes;
    const at = (each: number): number => each * (experts + 1) + remote;
    const scores = this.#scores.map((score) => {
      if (this.#options.scope === "layer") return score[of][at(layer)] as number;
      return Math.max(...Array.from({ length: layers }, (_, each) => score[of][at(each)] as number));
    });
    const rank = Math.ceil((scores.length + 1) * CONFIDENCE);
    const score = scores.sort((a, b) => a - b)[rank - 1];
    if (score === undefined) return 1;
    return Math.max(0, (this.#base?.[of][at(layer)] ?? 0) + score);
  }
}

/** What `matrix` says of the experts that `predicted` calls least useful. */
function leastUseful(
  matrix: ActivationMatrix,
  predicted: ActivationMatrix,
  { layers, experts }: ConformalOptions["sizes"],
): LeastUseful {
  const total = new Float64Array(layers * (experts + 1));
  const most = new Float64Array(layers * (experts + 1));
  for (let layer = 0; layer < layers; layer++) {
    let [sum, highest] = [0, 0];
    const shares = matrix.subarray(layer * experts, (layer + 1) * experts);
    for (const [i, expert] of byUtility(predicted.subarray(layer * experts, (layer + 1) * experts)).entries()) {
      const share = shares[expert] as number;
      sum += share;
      highest = Math.max(highest, share);
      total[layer * (experts + 1) + i + 1] = sum;
      most[layer * (experts + 1) + i + 1] = highest;
    }
  }
  return { total, most };
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] as number));
}

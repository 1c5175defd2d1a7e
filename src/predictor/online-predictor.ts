import { toActivationMatrix, uniformMatrix } from "./activation-matrix.ts";
import { Calibration, type CoverageReport, type LocalExperts } from "./calibration.ts";
import { divergence } from "./divergence.ts";
import { DriftDetector } from "./drift.ts";
import { Ensemble } from "./ensemble.ts";
import type { ActivationMatrix, Example, Query } from "./example.ts";
import { type SimilarExample, SimilarPrompts } from "./similar-prompts.ts";
import type { TrainingShape } from "./training-set.ts";

export interface OnlineOptions {
  /** Examples kept; then the oldest is dropped for each new one. */
  readonly capacity: number;
  /** Examples learnt until everything is fitted anew. */
  readonly refitEvery: number;
  /** Steps of a fit under way that each example learnt pays for. */
  readonly stepsPerExample: number;
}

const DEFAULTS: OnlineOptions = { capacity: 5000, refitEvery: 500, stepsPerExample: 32 };

/**
 * What a prediction is made from: `prompt`, the prompt and its likes; `global`, all prompts alike, because prediction
 * from the prompt has been worse lately; `none`, nothing: no request has finished yet.
 */
export type ForecastSource = "prompt" | "global" | "none";

export interface Forecast {
  readonly matrix: ActivationMatrix;
  readonly source: ForecastSource;
}

/**
 * Predicts for requests as they come, and learns from each as it finishes.
 *
 * Memory is bounded: the last `capacity` examples are kept, and those that were dropped live on in the fitted ensemble
 * only until the next fit. A fit is spread over the examples that come meanwhile, a bounded number of steps each, and
 * replaces the ensemble at its end.
 */
export class OnlinePredictor {
  readonly #shape: TrainingShape;
  readonly #options: OnlineOptions;
  readonly #kept: Example[] = [];
  readonly #drift = new DriftDetector();
  readonly #calibration: Calibration;
  #ensemble: Ensemble | null = null;
  #prompts: SimilarPrompts;
  #fit: Generator<void, Ensemble, void> | null = null;
  /** Examples learnt since the last fit began. */
  #sinceFit: Example[] = [];

  constructor(shape: TrainingShape, options: Partial<OnlineOptions> = {}) {
    this.#shape = shape;
    this.#options = { ...DEFAULTS, ...options };
    this.#calibration = new Calibration(shape);
    this.#prompts = new SimilarPrompts([], shape.dimensions);
  }

  /** Learns from a history at once, oldest first; yields after each step of bounded work. Nothing is learnt meanwhile. */
  *start(history: readonly Example[]): Generator<void, void, void> {
    this.#kept.push(...history.slice(-this.#options.capacity));
    this.#ensemble = yield* Ensemble.fit(this.#shape, this.#kept.slice());
    this.#prompts = new SimilarPrompts(this.#kept, this.#shape.dimensions);
  }

  forecast(query: Query): Forecast {
    if (this.#ensemble === null) return { matrix: uniformMatrix(this.#shape), source: "none" };
    if (this.#drift.drifted) return { matrix: this.#ensemble.global.slice(), source: "global" };
    return { matrix: this.#ensemble.predict(query), source: "prompt" };
  }

  /** Past requests most like this one; none before any has finished. */
  similar({ vector }: Query): readonly SimilarExample[] {
    return this.#prompts.nearest(vector);
  }

  /** Which group of similar prompts a prompt belongs to; `null` before anything is known. Groups change with a new fit. */
  groupOf({ vector }: Query): number | null {
    return this.#prompts.groupOf(vector);
  }

  /** The share of a forecast's activations that local experts cover. */
  coverage({ matrix }: Forecast, local: LocalExperts): CoverageReport {
    return this.#calibration.coverage(matrix, local);
  }

  /** Takes in a finished request. */
  learn(example: Example): void {
    this.#judge(example);
    this.#ensemble?.add(example);
    this.#prompts.add(example);
    this.#kept.push(example);
    if (this.#kept.length > this.#options.capacity) this.#kept.shift();
    this.#sinceFit.push(example);
    this.#advanceFit();
  }

  /** Compares what would be predicted with what happened. */
  #judge(example: Example): void {
    if (this.#ensemble === null) return;
    const truth = toActivationMatrix(example.prefill, this.#shape);
    const predicted = this.#ensemble.predict(example);
    const { global } = this.#ensemble;
    const inUse = this.#drift.drifted ? global : predicted;
    this.#calibration.add(inUse, truth);
    this.#drift.observe(divergence(predicted, truth, this.#shape), divergence(global, truth, this.#shape));
  }

  #advanceFit(): void {
    if (this.#fit === null) {
      const isDue = this.#ensemble === null || this.#sinceFit.length >= this.#options.refitEvery;
      if (!isDue) return;
      this.#fit = Ensemble.fit(this.#shape, this.#kept.slice());
      this.#sinceFit = [];
    }
    for (let step = 0; step < this.#options.stepsPerExample; step++) {
      const { done, value } = this.#fit.next();
      if (done !== true) continue;
      this.#adopt(value);
      return;
    }
  }

  #adopt(ensemble: Ensemble): void {
    for (const example of this.#sinceFit) ensemble.add(example);
    this.#ensemble = ensemble;
    this.#prompts = new SimilarPrompts(this.#kept, this.#shape.dimensions);
    this.#fit = null;
  }
}

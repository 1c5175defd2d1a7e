import { toActivationMatrix } from "./activation-matrix.ts";
import { CorrectedTable } from "./corrected-table.ts";
import { createDop } from "./dop.ts";
import type { ActivationMatrix, Example, Query } from "./example.ts";
import { createKernel } from "./kernel.ts";
import { fitMixture, type MixtureWeights, mix } from "./mixture.ts";
import { type HeldOut, type NeighbourModel, predictByNeighbours, tuneNeighbours } from "./neighbour-model.ts";
import type { NeighbourOptions } from "./neighbour-options.ts";
import type { Predictor } from "./predictor.ts";
import { TrainingSet, type TrainingShape } from "./training-set.ts";

/** One example in this many is held out for choosing options… */
const HOLD_OUT_EVERY = 8;
/** … and not more than this. */
const MOST_HELD_OUT = 200;

interface Tuned {
  readonly model: NeighbourModel;
  readonly options: NeighbourOptions;
}

/**
 * Remoe's predictor: in each layer a mixture of the corrected n-gram table, kernel regression and the global
 * distribution. The neighbours' options and the mixture's weights are those that predict held-out examples best.
 */
export class Ensemble implements Predictor {
  readonly name = "remoe";
  /** The mean of the examples it was fitted to: what is predicted for a prompt of which nothing is known. */
  readonly global: ActivationMatrix;
  readonly #set: TrainingSet;
  readonly #table: CorrectedTable;
  readonly #tuned: readonly Tuned[];
  readonly #weights: MixtureWeights;

  private constructor(parts: {
    readonly set: TrainingSet;
    readonly table: CorrectedTable;
    readonly tuned: readonly Tuned[];
    readonly global: ActivationMatrix;
    readonly weights: MixtureWeights;
  }) {
    this.#set = parts.set;
    this.#table = parts.table;
    this.#tuned = parts.tuned;
    this.global = parts.global;
    this.#weights = parts.weights;
  }

  /** Learns from examples; yields after each step of bounded work. */
  static *fit(shape: TrainingShape, examples: readonly Example[]): Generator<void, Ensemble, void> {
    const every = Math.max(HOLD_OUT_EVERY, Math.ceil(examples.length / MOST_HELD_OUT));
    const isHeldOut = (_: Example, i: number): boolean => i % every === every - 1;
    const heldOut = examples.filter(isHeldOut);
    const rest = examples.filter((example, i) => !isHeldOut(example, i));
    const set = new TrainingSet(shape, rest);
    const table = yield* CorrectedTable.fit(shape, rest);
    const known = heldOut.map((query) => ({ query, truth: toActivationMatrix(query.prefill, shape) }));
    const tuned: Tuned[] = [];
    for (const model of [table, createKernel(set)]) {
      tuned.push({ model, options: yield* tuneNeighbours(model, known, shape) });
    }
    const global = createDop(set).predict({ vector: new Float32Array(shape.dimensions), tokens: [] });
    const trials = yield* tryOut(tuned, global, known);
    const weights = yield* fitMixture(trials, tuned.length + 1, shape);
    const ensemble = new Ensemble({ set, table, tuned, global, weights });
    for (const example of heldOut) {
      ensemble.add(example);
      yield;
    }
    return ensemble;
  }

  /** Takes an example in. Options and weights stay as they were fitted. */
  add(example: Example): void {
    this.#set.add(example);
    this.#table.add(example);
  }

  predict(query: Query): ActivationMatrix {
    return mix(predictEach(this.#tuned, this.global, query), this.#weights, this.#set.shape);
  }
}

function predictEach(tuned: readonly Tuned[], global: ActivationMatrix, query: Query): ActivationMatrix[] {
  return [...tuned.map(({ model, options }) => predictByNeighbours(model, query, options)), global];
}

function* tryOut(tuned: readonly Tuned[], global: ActivationMatrix, heldOut: readonly HeldOut[]) {
  const trials = [];
  for (const { query, truth } of heldOut) {
    trials.push({ predictions: predictEach(tuned, global, query), truth });
    yield;
  }
  return trials;
}

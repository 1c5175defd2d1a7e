import { createRandom } from "../core/random.ts";
import type { WeightedSample } from "./any-remote.ts";
import { kMedoids } from "./clustering/k-medoids.ts";
import { similaritySpace } from "./clustering/similarity-space.ts";
import type { Example } from "./example.ts";
import { VectorMatrix } from "./vector-matrix.ts";
import { softmaxWeights } from "./weighted-mean.ts";

/** α: the paper's. */
const ALPHA = 15;
/** Trusts the nearest most; the middle of what held-out prompts choose (src/predictor/neighbour-model.ts). */
const TEMPERATURE = 0.05;
const CLUSTERS = 12;
/** Medoids hardly change with more, and finding them takes a few milliseconds. */
const MOST_CLUSTERED = 500;
const SEED = 1;

/** An example like a prompt; the weights of all that are similar sum to 1. */
export interface SimilarExample {
  readonly example: Example;
  readonly weight: number;
}

/** Past prompts, to find those like a new one, and the group that it belongs to. */
export class SimilarPrompts {
  readonly #examples: Example[] = [];
  readonly #vectors: VectorMatrix;
  /** Indices of examples that stand for a group each. */
  readonly #medoids: readonly number[];

  /** Groups are made of these examples; later ones join them. */
  constructor(examples: readonly Example[], dimensions: number) {
    this.#vectors = new VectorMatrix(dimensions);
    for (const example of examples) this.add(example);
    const members = Array.from({ length: Math.min(examples.length, MOST_CLUSTERED) }, (_, i) => i);
    const cluster = kMedoids(similaritySpace(this.#vectors), createRandom(SEED));
    this.#medoids = members.length === 0 ? [] : cluster(members, CLUSTERS).map(({ medoid }) => medoid);
  }

  add(example: Example): void {
    this.#examples.push(example);
    this.#vectors.push(example.vector);
  }

  /** The α most similar, weighted by softmax of their soft cosine; fewer where fewer are known. */
  nearest(vector: Float32Array): readonly SimilarExample[] {
    const { indices, similarities } = this.#vectors.topAlpha(vector, ALPHA);
    const weights = softmaxWeights(similarities, TEMPERATURE);
    return indices.map((index, i) => ({ example: this.#examples[index] as Example, weight: weights[i] as number }));
  }

  /** Which group a prompt belongs to; `null` before anything is known. */
  groupOf(vector: Float32Array): number | null {
    if (this.#medoids.length === 0) return null;
    const similarities = this.#vectors.similaritiesAt(vector, this.#medoids);
    return similarities.indexOf(Math.max(...similarities));
  }
}

/** Tokens that similar examples decoded, or those of their prompts where nothing was decoded. */
export function decodeSamples(similar: readonly SimilarExample[]): WeightedSample[] {
  return similar.map(({ example: { decodeSample, prefillSample }, weight }) => ({
    sample: decodeSample.tokens.length > 0 ? decodeSample : prefillSample,
    weight,
  }));
}

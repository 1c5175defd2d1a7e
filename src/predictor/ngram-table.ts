import { toActivationMatrix } from "./activation-matrix.ts";
import { ContextCounts } from "./context-counts.ts";
import type { ActivationMatrix, RoutingSample, Shape } from "./example.ts";
import { expertsPerToken } from "./experts-per-token.ts";

export interface NgramOptions {
  /** Tokens of the longest context: the token itself and those right before it. */
  readonly order: number;
  /** κ: the shorter context counts as much as this many tokens seen in the longer. */
  readonly shrinkage: number;
  /** Memory for counts; when it is full, a context not met lately is forgotten for each new one. */
  readonly maxBytes: number;
}

const DEFAULTS: NgramOptions = { order: 3, shrinkage: 2, maxBytes: 64 * 2 ** 20 };

const COUNT_LIMIT = 65_535;
/** Before the first token. */
const NO_TOKEN = -1;
const TOKEN_LIMIT = 2 ** 21;
const HASH_MULTIPLIER = 0x9e3779b1;

/**
 * What the gates choose for a token, by its identity and the tokens right before it. With n(c) the pairs counted in the
 * context c of a layer and k experts a token,
 *
 *   p(expert | c) = (n(c, expert) + κ k p(expert | c')) / (n(c) + κ k)
 *
 * where c' is c without its first token; the context of no token is the distribution over all tokens, shrunk towards
 * uniform. A prompt's matrix is the mean of its tokens' distributions. Samples had better be whole: tokens left out of
 * one make contexts that never were, which costs accuracy.
 */
export class NgramTable {
  readonly #shape: Shape;
  readonly #cells: number;
  readonly #order: number;
  readonly #shrinkage: number;
  readonly #contexts: ContextCounts;
  /** Pairs over all tokens: [cells] */
  readonly #total: Float64Array;
  /** p(expert | c) of the token at hand: [cells] */
  readonly #estimate: Float64Array;
  #topK = 1;

  constructor(shape: Shape, options: Partial<NgramOptions> = {}) {
    const { order, shrinkage, maxBytes } = { ...DEFAULTS, ...options };
    this.#shape = shape;
    this.#cells = shape.layers * shape.experts;
    this.#order = order;
    this.#shrinkage = shrinkage;
    const rowBytes = this.#cells * Uint16Array.BYTES_PER_ELEMENT;
    this.#contexts = new ContextCounts(this.#cells, Math.max(1, Math.floor(maxBytes / rowBytes)));
    this.#total = new Float64Array(this.#cells);
    this.#estimate = new Float64Array(this.#cells);
  }

  add(sample: RoutingSample): void {
    if (sample.tokens.length > 0) this.#topK = expertsPerToken(sample, this.#shape.layers);
    for (let position = 0; position < sample.tokens.length; position++) {
      const chosen = chosenCells(sample, position, this.#shape);
      for (const cell of chosen) this.#total[cell] = (this.#total[cell] as number) + 1;
      for (const key of contextKeys(sample.tokens, position, this.#order)) increment(this.#contexts.claim(key), chosen);
    }
  }

  /** Takes back a sample added before. */
  remove(sample: RoutingSample): void {
    for (let position = 0; position < sample.tokens.length; position++) {
      const chosen = chosenCells(sample, position, this.#shape);
      for (const cell of chosen) this.#total[cell] = (this.#total[cell] as number) - 1;
      for (const key of contextKeys(sample.tokens, position, this.#order)) decrement(this.#contexts.find(key), chosen);
    }
  }

  predict(tokens: ArrayLike<number>): ActivationMatrix {
    const sum = new Float64Array(this.#cells);
    for (let position = 0; position < tokens.length; position++) {
      const estimate = this.#estimateAt(tokens, position);
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (estimate[i] as number);
    }
    return toActivationMatrix(tokens.length > 0 ? sum : this.#total, this.#shape);
  }

  /** What the table gets wrong on a sample: the matrix of what was chosen minus the one predicted. [layers × experts] */
  residual(sample: RoutingSample): Float32Array {
    const chosen = new Float64Array(this.#cells);
    for (let position = 0; position < sample.tokens.length; position++) {
      for (const cell of chosenCells(sample, position, this.#shape)) chosen[cell] = (chosen[cell] as number) + 1;
    }
    const predicted = this.predict(sample.tokens);
    return toActivationMatrix(chosen, this.#shape).map((share, i) => share - (predicted[i] as number));
  }

  /** From the shortest context to the longest known. Overwritten by the next call. */
  #estimateAt(tokens: ArrayLike<number>, position: number): Float64Array {
    this.#estimate.fill(1 / this.#shape.experts);
    this.#refine(this.#total);
    for (const key of contextKeys(tokens, position, this.#order)) {
      const counts = this.#contexts.find(key);
      if (counts !== undefined) this.#refine(counts);
    }
    return this.#estimate;
  }

  /** One step of the recursion. */
  #refine(counts: Float64Array | Uint16Array): void {
    const { experts } = this.#shape;
    const prior = this.#shrinkage * this.#topK;
    for (let start = 0; start < this.#cells; start += experts) {
      let sum = prior;
      for (let i = start; i < start + experts; i++) sum += counts[i] as number;
      for (let i = start; i < start + experts; i++) {
        this.#estimate[i] = ((counts[i] as number) + prior * (this.#estimate[i] as number)) / sum;
      }
    }
  }
}

/** Where a token's chosen experts are in a matrix. */
function chosenCells(sample: RoutingSample, position: number, { layers, experts }: Shape): number[] {
  const k = expertsPerToken(sample, layers);
  const first = position * layers * k;
  const cells: number[] = [];
  for (let pair = 0; pair < layers * k; pair++) {
    cells.push(Math.floor(pair / k) * experts + (sample.experts[first + pair] as number));
  }
  return cells;
}

function increment(counts: Uint16Array, cells: readonly number[]): void {
  for (const cell of cells) {
    // Halving makes old evidence fade.
    if (counts[cell] === COUNT_LIMIT) for (let i = 0; i < counts.length; i++) counts[i] = (counts[i] as number) >> 1;
    counts[cell] = (counts[cell] as number) + 1;
  }
}

function decrement(counts: Uint16Array | undefined, cells: readonly number[]): void {
  if (counts === undefined) return;
  for (const cell of cells) counts[cell] = Math.max(0, (counts[cell] as number) - 1);
}

/** A number for each context of a token, shortest first: a hash of the tokens before it, then the token itself. */
function contextKeys(tokens: ArrayLike<number>, position: number, order: number): number[] {
  const token = tokens[position] as number;
  const keys = [token];
  let hash = HASH_MULTIPLIER;
  for (let back = 1; back < order; back++) {
    const before = position >= back ? (tokens[position - back] as number) : NO_TOKEN;
    hash = Math.imul(hash ^ before, HASH_MULTIPLIER) >>> 0;
    // The low bits of a product depend on low bits alone.
    hash = (hash ^ (hash >>> 15)) >>> 0;
    keys.push(hash * TOKEN_LIMIT + token);
  }
  return keys;
}

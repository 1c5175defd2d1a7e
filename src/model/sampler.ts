import { remoeError } from "../core/errors.ts";
import { uniformAt } from "../core/random.ts";
import { argmax } from "./argmax.ts";
import type { Sampling } from "./sampling.ts";

interface Choice {
  /** One logit a token of the vocabulary; only read. */
  readonly logits: Float32Array;
  readonly sampling: Sampling;
  /** The sequence so far, oldest first; the penalties look at the last `repeatLastN` of it. */
  readonly recent: ArrayLike<number>;
  /** Where in the sequence the token goes; with the seed it decides the draw. */
  readonly position: number;
}

/** The worst token that is kept: tokens with a smaller logit, or the same logit and a higher id, are dropped. */
interface Cutoff {
  readonly logit: number;
  readonly token: number;
}

/** The first `count` entries of the sampler's scratch, and the sum of their weights. */
interface Candidates {
  readonly count: number;
  readonly total: number;
}

/**
 * Chooses tokens from logits in llama.cpp's order: logit bias, penalties (repeat, then frequency and presence), and
 * greedy at temperature 0; otherwise top-k, top-p (of the probabilities among the top k), min-p, temperature, and a
 * draw that depends on (seed, position) alone. Tokens rank by logit, equal ones by id, lowest first.
 *
 * A sampler owns scratch memory for one vocabulary size and keeps no state between calls.
 */
export class Sampler {
  readonly #adjusted: Float32Array; // [vocabulary] logits after bias and penalties
  readonly #counts: Uint32Array; // [vocabulary] occurrences among the recent tokens; all zero between calls
  readonly #ranked: Int32Array; // [vocabulary] token ids, partly ordered by rank
  readonly #weights: Float64Array; // [vocabulary] by token id: what a candidate counts for

  constructor(vocabularySize: number) {
    this.#adjusted = new Float32Array(vocabularySize);
    this.#counts = new Uint32Array(vocabularySize);
    this.#ranked = new Int32Array(vocabularySize);
    this.#weights = new Float64Array(vocabularySize);
  }

  /**
   * @returns the chosen token's id
   * @throws LOGITS_INVALID if the logits do not fit the vocabulary, contain NaN or +Infinity, or mask every token
   */
  chooseToken({ logits, sampling, recent, position }: Choice): number {
    const size = this.#adjusted.length;
    if (logits.length !== size) {
      throw remoeError("LOGITS_INVALID", { problem: `there are ${logits.length} for a vocabulary of ${size} tokens` });
    }
    const adjusted = this.#adjust(logits, sampling, recent);
    const best = argmax(adjusted);
    if (sampling.temperature === 0) return best;
    const cutoff = this.#cutoff(adjusted, best, sampling);
    const maximum = adjusted[best] as number;
    const kept = this.#weigh(adjusted, cutoff, { maximum, temperature: sampling.temperature });
    return this.#draw(kept, uniformAt(sampling.seed, position));
  }

  #adjust(logits: Float32Array, sampling: Sampling, recent: ArrayLike<number>): Float32Array {
    const biases = Object.entries(sampling.logitBias);
    const penalised = hasPenalties(sampling) && recent.length > 0;
    if (biases.length === 0 && !penalised) return logits;
    const adjusted = this.#adjusted;
    adjusted.set(logits);
    for (const [token, bias] of biases) adjusted[Number(token)] = (adjusted[Number(token)] as number) + bias;
    if (penalised) this.#penalise(sampling, recent);
    return adjusted;
  }

  #penalise(sampling: Sampling, recent: ArrayLike<number>): void {
    const { repeatPenalty, frequencyPenalty, presencePenalty } = sampling;
    const adjusted = this.#adjusted;
    const counts = this.#counts;
    const first = Math.max(0, recent.length - sampling.repeatLastN);
    for (let index = first; index < recent.length; index++) {
      const token = recent[index] as number;
      counts[token] = (counts[token] as number) + 1;
    }
    for (let index = first; index < recent.length; index++) {
      const token = recent[index] as number;
      const count = counts[token] as number;
      if (count === 0) continue; // done at its first occurrence
      const logit = adjusted[token] as number;
      const repeated = logit > 0 ? logit / repeatPenalty : logit * repeatPenalty;
      adjusted[token] = repeated - count * frequencyPenalty - presencePenalty;
      counts[token] = 0;
    }
  }

  /** Top-k, top-p and min-p each keep the best tokens up to some rank, so that together they are one cutoff. */
  #cutoff(logits: Float32Array, best: number, { topK, topP, minP }: Sampling): Cutoff {
    const maximum = logits[best] as number;
    let cutoff = topK > 0 && topK < logits.length ? this.#topK(logits, topK) : everything(logits);
    if (topP < 1) {
      const { count, total } = this.#weigh(logits, cutoff, { maximum, temperature: 1 });
      cutoff = this.#reach(logits, count, topP * total);
    }
    const leastLogit = maximum + Math.log(minP);
    return leastLogit > cutoff.logit ? { logit: leastLogit, token: logits.length } : cutoff;
  }

  /** The cutoff that keeps the best k: candidates pass through a buffer that is cut back to k whenever it is full. */
  #topK(logits: Float32Array, k: number): Cutoff {
    const ranked = this.#ranked;
    const weights = this.#weights;
    const capacity = Math.min(2 * k + 64, logits.length);
    let cutoff = everything(logits);
    let count = 0;
    for (let token = 0; token < logits.length; token++) {
      const logit = logits[token] as number;
      if (logit <= cutoff.logit) continue; // ids ascend, so an equal logit ranks behind the cutoff
      weights[token] = 1;
      ranked[count++] = token;
      if (count < capacity) continue;
      cutoff = this.#reach(logits, count, k);
      count = k;
    }
    return this.#reach(logits, count, k);
  }

  /** Collects the tokens down to the cutoff, by id, with their unnormalised softmax. */
  #weigh(logits: Float32Array, cutoff: Cutoff, softmax: { maximum: number; temperature: number }): Candidates {
    const { maximum, temperature } = softmax;
    const { logit: leastLogit, token: lastToken } = cutoff;
    const ranked = this.#ranked;
    const weights = this.#weights;
    let count = 0;
    let total = 0;
    for (let token = 0; token < logits.length; token++) {
      const logit = logits[token] as number;
      if (logit < leastLogit || (logit === leastLogit && token > lastToken)) continue;
      const weight = Math.exp((logit - maximum) / temperature);
      weights[token] = weight;
      ranked[count++] = token;
      total += weight;
    }
    return { count, total };
  }

  /** Where the weights of the candidates, added up from the best one down, reach the target: a weighted quickselect. */
  #reach(logits: Float32Array, count: number, target: number): Cutoff {
    const ranked = this.#ranked;
    let start = 0;
    let end = count;
    let missing = target;
    while (end - start > 1) {
      const pivot = partition(ranked, logits, { start, end });
      const above = this.#weightOf(start, pivot);
      const reached = above + this.#weightOf(pivot, pivot + 1);
      if (above >= missing && pivot > start) end = pivot;
      else if (reached >= missing || pivot + 1 === end) start = end = pivot;
      else {
        missing -= reached;
        start = pivot + 1;
      }
    }
    const token = ranked[start] as number;
    return { logit: logits[token] as number, token };
  }

  #weightOf(start: number, end: number): number {
    const ranked = this.#ranked;
    const weights = this.#weights;
    let sum = 0;
    for (let index = start; index < end; index++) sum += weights[ranked[index] as number] as number;
    return sum;
  }

  #draw({ count, total }: Candidates, uniform: number): number {
    const ranked = this.#ranked;
    const weights = this.#weights;
    const target = uniform * total;
    let reached = 0;
    for (let index = 0; index < count - 1; index++) {
      const token = ranked[index] as number;
      reached += weights[token] as number;
      if (reached > target) return token;
    }
    return ranked[count - 1] as number;
  }
}

function everything(logits: Float32Array): Cutoff {
  return { logit: Number.NEGATIVE_INFINITY, token: logits.length };
}

function hasPenalties({ repeatPenalty, frequencyPenalty, presencePenalty, repeatLastN }: Sampling): boolean {
  return repeatLastN > 0 && (repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0);
}

/**
 * Reorders `tokens[start, end)` around a pivot, better ranked tokens first.
 * @returns the pivot's final index
 */
function partition(tokens: Int32Array, logits: Float32Array, { start, end }: { start: number; end: number }): number {
  const middle = (start + end) >>> 1;
  const pivot = tokens[middle] as number;
  const pivotLogit = logits[pivot] as number;
  tokens[middle] = tokens[end - 1] as number;
  let boundary = start;
  for (let index = start; index < end - 1; index++) {
    const token = tokens[index] as number;
    const logit = logits[token] as number;
    if (logit < pivotLogit || (logit === pivotLogit && token > pivot)) continue;
    tokens[index] = tokens[boundary] as number;
    tokens[boundary++] = token;
  }
  tokens[end - 1] = tokens[boundary] as number;
  tokens[boundary] = pivot;
  return boundary;
}

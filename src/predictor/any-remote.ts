import type { RoutingSample, Shape } from "./example.ts";
import { expertsPerToken } from "./experts-per-token.ts";

/** A sample and how much each of its tokens counts, e.g. its prompt's similarity. */
export interface WeightedSample {
  readonly sample: RoutingSample;
  /** Not negative. */
  readonly weight: number;
}

const WORD_BITS = 32;

/** The sets of experts that tokens of a layer were routed to: each different set once, as bits. */
interface ChosenSets {
  /** [sets × words] */
  readonly bits: Uint32Array;
  /** Of the tokens routed to each set: [sets] */
  readonly weights: Float64Array;
  readonly total: number;
}

/**
 * How often a token needs any of some remote experts, counted from the sets the gates chose. A token waits for its
 * slowest expert, so this and not the share of remote rows says how often a layer waits for a call; and experts are
 * chosen together or never, so products of shares would be far off.
 */
export class AnyRemote {
  readonly #words: number;
  readonly #layers: readonly ChosenSets[];

  constructor(samples: readonly WeightedSample[], { layers, experts }: Shape) {
    this.#words = Math.ceil(experts / WORD_BITS);
    this.#layers = Array.from({ length: layers }, (_, layer) =>
      this.#collect(samples, (position, { sample }) => chosenExperts(sample, position * layers + layer, layers)),
    );
  }

  /** Share of a layer's tokens that are routed to at least one of `remote`; 0 where no token is known. */
  probability(layer: number, remote: readonly number[]): number {
    const { bits, weights, total } = this.#layers[layer] as ChosenSets;
    const mask = toBits(remote, this.#words);
    let sum = 0;
    for (let set = 0; set < weights.length; set++) {
      if (this.#meets(bits, set, mask)) sum += weights[set] as number;
    }
    return total === 0 ? 0 : sum / total;
  }

  #meets(bits: Uint32Array, set: number, mask: Uint32Array): boolean {
    for (let word = 0; word < this.#words; word++) {
      if (((bits[set * this.#words + word] as number) & (mask[word] as number)) !== 0) return true;
    }
    return false;
  }

  #collect(
    samples: readonly WeightedSample[],
    chosenAt: (position: number, weighted: WeightedSample) => Uint16Array,
  ): ChosenSets {
    const weights = new Map<string, number>();
    const sets = new Map<string, Uint16Array>();
    let total = 0;
    for (const weighted of samples) {
      for (let position = 0; position < weighted.sample.tokens.length; position++) {
        const chosen = chosenAt(position, weighted);
        const set = chosen.slice().sort();
        const key = set.join();
        sets.set(key, set);
        weights.set(key, (weights.get(key) ?? 0) + weighted.weight);
        total += weighted.weight;
      }
    }
    const bits = new Uint32Array(sets.size * this.#words);
    for (const [i, set] of [...sets.values()].entries()) bits.set(toBits(set, this.#words), i * this.#words);
    return { bits, weights: Float64Array.from(weights.values()), total };
  }
}

function chosenExperts(sample: RoutingSample, gate: number, layers: number): Uint16Array {
  const k = expertsPerToken(sample, layers);
  return sample.experts.subarray(gate * k, (gate + 1) * k);
}

function toBits(experts: Iterable<number>, words: number): Uint32Array {
  const bits = new Uint32Array(words);
  for (const expert of experts) {
    const word = Math.floor(expert / WORD_BITS);
    bits[word] = ((bits[word] as number) | (1 << (expert % WORD_BITS))) >>> 0;
  }
  return bits;
}

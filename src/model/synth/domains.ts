import { drawNormals } from "./draw-normals.ts";

/** Few enough that prompts have them in common, enough that prompts differ. */
export const DOMAINS = 16;

/** The domain a token belongs to. Tokens of one domain go to the same experts more often than chance. */
export function domainOf(token: number): number {
  return token % DOMAINS;
}

/** How the variance of an embedding divides into what all tokens share, what its domain's share, and its own part. */
const SHARE = { common: 0.1, domain: 0.4, own: 0.5 };

/** Zipf's exponents of the experts' popularity: over all text, and within a domain, where each has its own ranking. */
const ZIPF = { common: 0.5, domain: 1 };

/** Standard deviation of what a gate's logits depend on besides domains. */
const OWN_TASTE = 1.25;

/**
 * What makes the choice of experts depend on the prompt. The embeddings of a domain's tokens lean to one direction, and
 * the gate's rows lean to the directions of the domains whose tokens the expert is to get. With logits of −α·ln(rank)
 * plus noise, the expert of rank r is chosen about r^−α as often as the first.
 */
export class Domains {
  readonly #random: () => number;
  readonly #hidden: number;
  /** [hidden], elements of deviation 1: of all tokens, and of each domain. */
  readonly #common: Float32Array;
  readonly #directions: readonly Float32Array[];

  constructor(random: () => number, hidden: number) {
    this.#random = random;
    this.#hidden = hidden;
    this.#common = drawNormals(random, hidden, 1);
    this.#directions = Array.from({ length: DOMAINS }, () => drawNormals(random, hidden, 1));
  }

  /** Columns `[first, first + count)` of the embedding of some token of a domain, with elements of the given deviation. */
  embedding(domain: number, { first, count }: { first: number; count: number }, deviation: number): Float32Array {
    const direction = this.#directions[domain] ?? this.#common;
    const own = drawNormals(this.#random, count, Math.sqrt(SHARE.own));
    return own.map((value, i) => {
      const common = Math.sqrt(SHARE.common) * (this.#common[first + i] ?? 0);
      return deviation * (value + common + Math.sqrt(SHARE.domain) * (direction[first + i] ?? 0));
    });
  }

  /** The rows of a layer's gate, one for each expert. */
  gateRows(experts: number): readonly Float32Array[] {
    const common = this.#logits(experts, ZIPF.common);
    const byDomain = this.#directions.map(() => this.#logits(experts, ZIPF.domain));
    return common.map((logit, expert) => {
      const row = drawNormals(this.#random, this.#hidden, OWN_TASTE / Math.sqrt(this.#hidden));
      this.#lean(row, this.#common, logit / Math.sqrt(SHARE.common));
      for (const [domain, direction] of this.#directions.entries()) {
        this.#lean(row, direction, (byDomain[domain]?.[expert] ?? 0) / Math.sqrt(SHARE.domain));
      }
      return row;
    });
  }

  /** −exponent · ln(rank) in a random order of the experts, with mean 0. */
  #logits(experts: number, exponent: number): readonly number[] {
    const logits = Array.from({ length: experts }, (_, index) => -exponent * Math.log(index + 1));
    const mean = logits.reduce((sum, logit) => sum + logit, 0) / experts;
    return this.#shuffled(logits).map((logit) => logit - mean);
  }

  /** Fisher and Yates's shuffle. */
  #shuffled(values: readonly number[]): number[] {
    const shuffled = [...values];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = Math.floor(this.#random() * (last + 1));
      [shuffled[last], shuffled[other]] = [shuffled[other] as number, shuffled[last] as number];
    }
    return shuffled;
  }

  /** Makes the row's product with a state that holds the direction once larger by `amount`. */
  #lean(row: Float32Array, direction: Float32Array, amount: number): void {
    const factor = amount / this.#hidden;
    for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) + factor * (direction[i] ?? 0);
  }
}

import type { RoutingSample } from "./generation.ts";

/** Keeps what every layer's gate chooses for the tokens at some positions of a sequence. */
export class RoutingRecorder {
  readonly #k: number;
  readonly #layers: number;
  readonly #positions: Uint32Array;
  readonly #experts: Uint16Array;
  /** By layer: tokens seen, and how many of the positions are among them. */
  readonly #seen: Uint32Array;
  readonly #kept: Uint32Array;

  /** `positions`: rising. */
  constructor(
    { layers, expertsPerToken: k }: { readonly layers: number; readonly expertsPerToken: number },
    positions: Uint32Array,
  ) {
    this.#k = k;
    this.#layers = layers;
    this.#positions = positions;
    this.#experts = new Uint16Array(positions.length * layers * k);
    this.#seen = new Uint32Array(layers);
    this.#kept = new Uint32Array(layers);
  }

  /** Takes a layer's choices for its next tokens, k experts each. */
  record(layer: number, chosen: Int32Array): void {
    const k = this.#k;
    const first = this.#seen[layer] as number;
    const end = first + chosen.length / k;
    let slot = this.#kept[layer] as number;
    for (; slot < this.#positions.length; slot++) {
      const position = this.#positions[slot] as number;
      if (position >= end) break;
      const from = (position - first) * k;
      const to = (slot * this.#layers + layer) * k;
      for (let rank = 0; rank < k; rank++) this.#experts[to + rank] = chosen[from + rank] as number;
    }
    this.#seen[layer] = end;
    this.#kept[layer] = slot;
  }

  /** What is known of the tokens that every layer has seen. */
  sample(sequence: readonly number[]): RoutingSample {
    const count = this.#kept.reduce((least, kept) => Math.min(least, kept), this.#positions.length);
    return {
      tokens: this.#positions.subarray(0, count).map((position) => sequence[position] as number),
      experts: this.#experts.slice(0, count * this.#layers * this.#k),
    };
  }
}

/** At most `count` positions of a sequence, spread evenly over it from its first on: ⌊i · length / count⌋. */
export function spreadPositions(length: number, count: number): Uint32Array {
  const kept = Math.min(length, count);
  return Uint32Array.from({ length: kept }, (_, i) => Math.floor((i * length) / kept));
}

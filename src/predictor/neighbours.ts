/** Examples by their number, most similar first; of equally similar ones the older first. */
export interface Neighbours {
  readonly indices: readonly number[];
  readonly similarities: readonly number[];
}

/** Keeps the α most similar of all examples offered. */
export class NearestNeighbours implements Neighbours {
  readonly indices: number[] = [];
  readonly similarities: number[] = [];
  readonly #alpha: number;

  constructor(alpha: number) {
    this.#alpha = alpha;
  }

  offer(index: number, similarity: number): void {
    const last = this.indices.length - 1;
    if (last + 1 === this.#alpha && !this.#precedes(index, similarity, last)) return;
    let at = last + 1;
    while (at > 0 && this.#precedes(index, similarity, at - 1)) at--;
    this.indices.splice(at, 0, index);
    this.similarities.splice(at, 0, similarity);
    if (this.indices.length > this.#alpha) this.#dropLast();
  }

  #precedes(index: number, similarity: number, other: number): boolean {
    const difference = similarity - (this.similarities[other] as number);
    return difference === 0 ? index < (this.indices[other] as number) : difference > 0;
  }

  #dropLast(): void {
    this.indices.pop();
    this.similarities.pop();
  }
}

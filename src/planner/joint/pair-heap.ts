/** Pairs of places in two ascending lists, by the sum of what is there: least first. */
export class PairHeap {
  readonly #keys: number[] = [];
  readonly #lefts: number[] = [];
  readonly #rights: number[] = [];

  get size(): number {
    return this.#keys.length;
  }

  push(key: number, left: number, right: number): void {
    let at = this.#keys.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#keys[parent] as number) <= key) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, key, left, right);
  }

  /** Takes the least out; of none there is nothing to take. */
  pop(): { readonly key: number; readonly left: number; readonly right: number } {
    const top = { key: this.#keys[0] as number, left: this.#lefts[0] as number, right: this.#rights[0] as number };
    const key = this.#keys.pop() as number;
    const left = this.#lefts.pop() as number;
    const right = this.#rights.pop() as number;
    if (this.#keys.length > 0) this.#sink(key, left, right);
    return top;
  }

  #sink(key: number, left: number, right: number): void {
    const size = this.#keys.length;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (this.#keys[child + 1] as number) < (this.#keys[child] as number)) child++;
      if ((this.#keys[child] as number) >= key) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, key, left, right);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#keys[from] as number, this.#lefts[from] as number, this.#rights[from] as number);
  }

  #set(at: number, key: number, left: number, right: number): void {
    this.#keys[at] = key;
    this.#lefts[at] = left;
    this.#rights[at] = right;
  }
}

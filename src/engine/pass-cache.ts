/** Passes kept for sequences of different length. */
export const KEPT_PASSES = 3;

/** Passes by what they are made for (size, number of tokens), the most recently used kept. */
export class PassCache<Pass extends Disposable> implements Disposable {
  readonly #create: (size: number) => Pass;
  readonly #kept: number;
  readonly #passes = new Map<number, Pass>();

  constructor(create: (size: number) => Pass, kept = KEPT_PASSES) {
    this.#create = create;
    this.#kept = kept;
  }

  get(size: number): Pass {
    const pass = this.#passes.get(size) ?? this.#create(size);
    this.#passes.delete(size);
    this.#passes.set(size, pass);
    const [oldest] = this.#passes.keys();
    if (this.#passes.size > this.#kept && oldest !== undefined) {
      this.#passes.get(oldest)?.[Symbol.dispose]();
      this.#passes.delete(oldest);
    }
    return pass;
  }

  [Symbol.dispose](): void {
    for (const pass of this.#passes.values()) pass[Symbol.dispose]();
  }
}

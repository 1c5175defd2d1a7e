/** Passes kept for sequences of different length. */
export const KEPT_PASSES = 3;

/** Passes by their size or shape, the most recently used kept. */
export class PassCache<Size, Pass extends Disposable> implements Disposable {
  readonly #create: (size: Size) => Pass;
  readonly #kept: number;
  readonly #passes = new Map<string, Pass>();

  constructor(create: (size: Size) => Pass, kept = KEPT_PASSES) {
    this.#create = create;
    this.#kept = kept;
  }

  get(size: Size): Pass {
    const key = JSON.stringify(size);
    const pass = this.#passes.get(key) ?? this.#create(size);
    this.#passes.delete(key);
    this.#passes.set(key, pass);
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

/** Passes kept for sequences of different length. */
const KEPT_PASSES = 3;

/** Passes by span (cached positions that attention looks at), the most recently used kept. */
export class PassCache<Pass extends Disposable> implements Disposable {
  readonly #create: (span: number) => Pass;
  readonly #kept: number;
  readonly #passes = new Map<number, Pass>();

  constructor(create: (span: number) => Pass, kept = KEPT_PASSES) {
    this.#create = create;
    this.#kept = kept;
  }

  get(span: number): Pass {
    const pass = this.#passes.get(span) ?? this.#create(span);
    this.#passes.delete(span);
    this.#passes.set(span, pass);
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

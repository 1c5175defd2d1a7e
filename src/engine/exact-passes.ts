import { PassCache } from "./pass-cache.ts";
import { type BatchOptions, type DecodeResult, type DecodeStep, oneByOne, type PassStrategy } from "./pass-strategy.ts";
import type { Runtime } from "./runtime.ts";
import { WholePass } from "./whole-pass.ts";

/** Every pass as one graph, as llama.cpp computes it. */
export class ExactPasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #single: PassCache<number, WholePass>;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#single = new PassCache((span: number) => new WholePass(runtime, { tokens: 1, span }));
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    const span = this.#runtime.cache.span(position + tokens.length);
    using pass = new WholePass(this.#runtime, { tokens: tokens.length, span });
    pass.run(tokens, position, options);
    return options.isLast ? pass.logits.slice() : undefined;
  }

  decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    return oneByOne(steps, async ({ token, position, ...options }) => {
      const pass = this.#single.get(this.#runtime.cache.span(position + 1));
      pass.run([token], position, { ...options, isLast: true });
      return pass.logits;
    });
  }

  [Symbol.dispose](): void {
    this.#single[Symbol.dispose]();
  }
}

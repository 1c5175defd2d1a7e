import { PassCache } from "./pass-cache.ts";
import type { BatchOptions } from "./pass-strategy.ts";
import { tiledRows } from "./row-tiles.ts";
import type { PassOptions, Runtime } from "./runtime.ts";
import { WholePass } from "./whole-pass.ts";

/** Whole passes for tokens that decode and for short prompts, made when first needed. */
export class WholePasses implements Disposable {
  readonly #runtime: Runtime;
  readonly #tokens: PassCache<number, WholePass>;
  /** By number of tokens. */
  readonly #prompts: PassCache<number, WholePass>;

  constructor(runtime: Runtime) {
    const { cache } = runtime;
    this.#runtime = runtime;
    this.#tokens = new PassCache((span: number) => new WholePass(runtime, { tokens: 1, span, byHead: true }));
    this.#prompts = new PassCache((tokens: number) => new WholePass(runtime, { tokens, span: cache.span(tokens) }));
  }

  /** A whole prompt. → logits of its last token */
  prefill(tokens: readonly number[], options: BatchOptions): Float32Array {
    const pass = this.#prompts.get(tiledRows(tokens.length));
    pass.run(tokens, 0, options);
    return pass.logits;
  }

  /** One token. → its logits, and how long computing them took */
  decode(
    token: number,
    position: number,
    options: PassOptions,
  ): { readonly logits: Float32Array; readonly ms: number } {
    const pass = this.#tokens.get(this.#runtime.cache.span(position + 1));
    const began = performance.now();
    pass.run([token], position, { ...options, isLast: true });
    return { logits: pass.logits, ms: performance.now() - began };
  }

  [Symbol.dispose](): void {
    this.#tokens[Symbol.dispose]();
    this.#prompts[Symbol.dispose]();
  }
}

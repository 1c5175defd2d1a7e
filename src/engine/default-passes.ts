import { isSmallModel } from "../model/architecture.ts";
import { LayeredPass } from "./layered-pass.ts";
import { PassCache } from "./pass-cache.ts";
import { BATCH_TOKENS, type BatchOptions, type PassStrategy } from "./pass-strategy.ts";
import type { PassOptions, Runtime } from "./runtime.ts";
import { TiledPrefill } from "./tiled-prefill.ts";
import { WholePass } from "./whole-pass.ts";

/**
 * Prompts up to this long are computed row by row in small models: their groups would be of a few rows each. One less
 * tile of rows than the attention kernel's, which rounds differently when threads share it.
 */
export const SHORT_PROMPT = 60;
const ROW_TILE = 4;

/** Prefill in tiles; decode as one graph where every expert is here, layer by layer where some are elsewhere. */
export class DefaultPasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #complete: boolean;
  readonly #isSmall: boolean;
  readonly #whole: PassCache<WholePass>;
  /** By number of tokens, for short prompts of small models. */
  readonly #short: PassCache<WholePass>;
  readonly #layered: PassCache<LayeredPass>;
  readonly #tiled: TiledPrefill;

  constructor(runtime: Runtime) {
    const { bank, cache, hyper } = runtime;
    this.#runtime = runtime;
    this.#complete = bank.isComplete(hyper.experts);
    this.#isSmall = isSmallModel(hyper);
    this.#whole = new PassCache((span) => new WholePass(runtime, { tokens: 1, span, byHead: true }));
    this.#short = new PassCache((tokens) => new WholePass(runtime, { tokens, span: cache.span(tokens) }));
    this.#layered = new PassCache((span) => new LayeredPass(runtime, span));
    this.#tiled = new TiledPrefill(runtime, BATCH_TOKENS);
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    const isShort = this.#isSmall && position === 0 && tokens.length <= SHORT_PROMPT;
    if (isShort && this.#complete) {
      const pass = this.#short.get(Math.ceil(tokens.length / ROW_TILE) * ROW_TILE);
      pass.run(tokens, position, options);
      return pass.logits;
    }
    const gate = await this.#tiled.run(tokens, position, { ...options, kernel: isShort ? "decode" : "prefill" });
    if (gate === undefined) return undefined;
    const pass = this.#layered.get(this.#runtime.cache.span(position + tokens.length));
    await pass.finish(gate, options.remote);
    return pass.logits;
  }

  async decode(token: number, position: number, options: PassOptions): Promise<Float32Array> {
    const span = this.#runtime.cache.span(position + 1);
    if (this.#complete) {
      const pass = this.#whole.get(span);
      pass.run([token], position, { ...options, isLast: true });
      return pass.logits;
    }
    const pass = this.#layered.get(span);
    await pass.run(token, position, options);
    return pass.logits;
  }

  [Symbol.dispose](): void {
    for (const part of [this.#whole, this.#short, this.#layered, this.#tiled]) part[Symbol.dispose]();
  }
}

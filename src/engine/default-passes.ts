import { LayeredPass } from "./layered-pass.ts";
import { PassCache } from "./pass-cache.ts";
import { BATCH_TOKENS, type BatchOptions, type PassStrategy } from "./pass-strategy.ts";
import type { PassOptions, Runtime } from "./runtime.ts";
import { TiledPrefill } from "./tiled-prefill.ts";
import { WholePass } from "./whole-pass.ts";

/** Prefill in tiles; decode as one graph where every expert is here, layer by layer where some are elsewhere. */
export class DefaultPasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #complete: boolean;
  readonly #whole: PassCache<WholePass>;
  readonly #layered: PassCache<LayeredPass>;
  readonly #tiled: TiledPrefill;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#complete = runtime.bank.isComplete(runtime.hyper.experts);
    this.#whole = new PassCache((span) => new WholePass(runtime, { tokens: 1, span }));
    this.#layered = new PassCache((span) => new LayeredPass(runtime, span));
    this.#tiled = new TiledPrefill(runtime, BATCH_TOKENS);
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    const gate = await this.#tiled.run(tokens, position, options);
    if (gate === undefined) return undefined;
    const pass = this.#layered.get(this.#runtime.cache.span(position + tokens.length));
    await pass.finish(gate, options.remote);
    return pass.logits;
  }

  async decode(token: number, position: number, options: PassOptions): Promise<Float32Array> {
    const span = this.#runtime.cache.span(position + 1);
    if (this.#complete) {
      const pass = this.#whole.get(span);
      pass.run([token], position, options.observe);
      return pass.logits;
    }
    const pass = this.#layered.get(span);
    await pass.run(token, position, options);
    return pass.logits;
  }

  [Symbol.dispose](): void {
    for (const part of [this.#whole, this.#layered, this.#tiled]) part[Symbol.dispose]();
  }
}

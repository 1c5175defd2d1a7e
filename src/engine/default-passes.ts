import { CpuBackend } from "../ggml/cpu-backend.ts";
import { isSmallModel, type Transformer } from "../model/architecture.ts";
import { LayeredPass } from "./layered-pass.ts";
import { PassCache } from "./pass-cache.ts";
import {
  BATCH_TOKENS,
  type BatchOptions,
  type DecodeResult,
  type DecodeStep,
  oneByOne,
  type PassStrategy,
} from "./pass-strategy.ts";
import { isCoarse } from "./row-tiles.ts";
import type { PassOptions, Runtime } from "./runtime.ts";
import { type Team, ThreadChoice } from "./thread-choice.ts";
import { TiledPrefill } from "./tiled-prefill.ts";
import { WholePasses } from "./whole-passes.ts";

/**
 * Prompts up to this long are computed row by row in small models: their groups would be of a few rows each. One less
 * tile of rows than the attention kernel's, which rounds differently when threads share it.
 */
export const SHORT_PROMPT = 60;

/**
 * Prompts up to this long are computed row by row: {@link SHORT_PROMPT} in small models, else none; nor where rows that
 * fill a tile would decide how an expert's rows are multiplied.
 */
export function shortPrompt(transformer: Transformer): number {
  return isSmallModel(transformer.hyper) && !isCoarse(transformer) ? SHORT_PROMPT : 0;
}

/** Prefill in tiles; decode as one graph where every expert is here, layer by layer where some are elsewhere. */
export class DefaultPasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #complete: boolean;
  /** Of small models with several threads also those of one thread. */
  readonly #whole: { readonly all: WholePasses; readonly one: WholePasses | null };
  /** For {@link #whole} of one thread. */
  readonly #oneThread: CpuBackend | null;
  readonly #threads = new ThreadChoice();
  readonly #shortPrompt: number;
  readonly #layered: PassCache<number, LayeredPass>;
  readonly #tiled: TiledPrefill;

  constructor(runtime: Runtime) {
    const { bank, backend, hyper, native } = runtime;
    this.#runtime = runtime;
    this.#shortPrompt = shortPrompt(runtime.transformer);
    this.#complete = bank.isComplete(hyper.experts);
    this.#oneThread = isSmallModel(hyper) && backend.threads > 1 ? new CpuBackend(native, 1) : null;
    const one = this.#oneThread === null ? null : new WholePasses({ ...runtime, backend: this.#oneThread });
    this.#whole = { all: new WholePasses(runtime), one };
    this.#layered = new PassCache((span: number) => new LayeredPass(runtime, span));
    this.#tiled = new TiledPrefill(runtime, BATCH_TOKENS);
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    const isShort = position === 0 && tokens.length <= this.#shortPrompt;
    if (isShort && this.#complete) {
      return this.#passesOf(this.#threads.faster).prefill(tokens, options);
    }
    const gate = await this.#tiled.run(tokens, position, { ...options, kernel: isShort ? "decode" : "prefill" });
    if (gate === undefined) return undefined;
    const pass = this.#layered.get(this.#runtime.cache.span(position + tokens.length));
    await pass.finish(gate, options.remote);
    return pass.logits;
  }

  decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    return oneByOne(steps, (step) => this.#decode(step));
  }

  async #decode({ token, position, ...options }: DecodeStep): Promise<Float32Array> {
    if (this.#complete) return this.#decodeWhole(token, position, options);
    const pass = this.#layered.get(this.#runtime.cache.span(position + 1));
    await pass.run(token, position, options);
    return pass.logits;
  }

  #decodeWhole(token: number, position: number, options: PassOptions): Float32Array {
    const team = this.#whole.one === null ? "all" : this.#threads.next();
    const { logits, ms } = this.#passesOf(team).decode(token, position, options);
    this.#threads.took(team, ms);
    return logits;
  }

  #passesOf(team: Team): WholePasses {
    return this.#whole[team] ?? this.#whole.all;
  }

  [Symbol.dispose](): void {
    const { all, one } = this.#whole;
    for (const part of [all, one, this.#layered, this.#tiled, this.#oneThread]) part?.[Symbol.dispose]();
  }
}

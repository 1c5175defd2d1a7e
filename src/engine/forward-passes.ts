import { remoeError } from "../core/errors.ts";
import { LayeredPass } from "./layered-pass.ts";
import type { GateObserver, PassOptions, Runtime } from "./runtime.ts";
import { TiledPrefill } from "./tiled-prefill.ts";
import { WholePass } from "./whole-pass.ts";

/**
 * `exact`: the operations of llama.cpp in its order, so its logits bit for bit; needs every expert in this function.
 * `default`: prefill groups tokens by expert, which is faster and rounds differently in the last digits, but always the
 * same: not depending on threads, batch size or placement of experts.
 */
export type Numerics = "default" | "exact";

/** Tokens of one prefill batch, as llama.cpp's default micro-batch. */
const BATCH_TOKENS = 512;
/** Passes kept for sequences of different length. */
const KEPT_PASSES = 3;

/** Chooses and keeps the forward passes of an engine. Logits returned are views that the next pass overwrites. */
export class ForwardPasses implements Disposable {
  readonly #runtime: Runtime;
  readonly #numerics: Numerics;
  readonly #complete: boolean;
  readonly #whole = new PassCache((span: number) => new WholePass(this.#runtime, { tokens: 1, span }));
  readonly #layered = new PassCache((span: number) => new LayeredPass(this.#runtime, span));
  #tiled: TiledPrefill | undefined;

  /** @throws NUMERICS_NEED_ALL_EXPERTS */
  constructor(runtime: Runtime, numerics: Numerics) {
    this.#runtime = runtime;
    this.#numerics = numerics;
    this.#complete = runtime.bank.isComplete(runtime.hyper.experts);
    if (numerics === "exact" && !this.#complete) throw remoeError("NUMERICS_NEED_ALL_EXPERTS", {});
  }

  /** Computes a sequence from its first token on. → logits of the last, [vocabulary] */
  async prefill(
    tokens: readonly number[],
    { signal, ...options }: PassOptions & { readonly signal: AbortSignal },
  ): Promise<Float32Array> {
    let logits: Float32Array | undefined;
    for (let first = 0; first < tokens.length; first += BATCH_TOKENS) {
      signal.throwIfAborted();
      const batch = tokens.slice(first, first + BATCH_TOKENS);
      const isLast = first + BATCH_TOKENS >= tokens.length;
      logits = await this.#prefillBatch(batch, first, { ...options, isLast });
    }
    return logits as Float32Array;
  }

  /** Computes one token. → logits, [vocabulary] */
  async decode(token: number, position: number, { observe, remote }: PassOptions): Promise<Float32Array> {
    const span = this.#runtime.cache.span(position + 1);
    if (this.#complete) {
      const pass = this.#whole.get(span);
      pass.run([token], position, observe);
      return pass.logits;
    }
    const pass = this.#layered.get(span);
    await pass.run(token, position, { observe, remote });
    return pass.logits;
  }

  /** Between requests: threads sleep instead of spinning. */
  rest(): void {
    this.#runtime.backend.park();
  }

  async #prefillBatch(
    tokens: readonly number[],
    position: number,
    { observe, remote, isLast }: PassOptions & { readonly isLast: boolean },
  ): Promise<Float32Array | undefined> {
    if (this.#numerics === "exact") return this.#prefillExactly(tokens, position, observe);
    this.#tiled ??= new TiledPrefill(this.#runtime, BATCH_TOKENS);
    const gate = await this.#tiled.run(tokens, position, { observe, remote });
    if (!isLast) return undefined;
    const pass = this.#layered.get(this.#runtime.cache.span(position + tokens.length));
    await pass.finish(gate, remote);
    return pass.logits;
  }

  #prefillExactly(tokens: readonly number[], position: number, observe: GateObserver | undefined): Float32Array {
    const span = this.#runtime.cache.span(position + tokens.length);
    using pass = new WholePass(this.#runtime, { tokens: tokens.length, span });
    pass.run(tokens, position, observe);
    return pass.logits.slice();
  }

  [Symbol.dispose](): void {
    this.#whole[Symbol.dispose]();
    this.#layered[Symbol.dispose]();
    this.#tiled?.[Symbol.dispose]();
  }
}

/** Passes by span, the most recently used kept. */
class PassCache<Pass extends Disposable> implements Disposable {
  readonly #create: (span: number) => Pass;
  readonly #passes = new Map<number, Pass>();

  constructor(create: (span: number) => Pass) {
    this.#create = create;
  }

  get(span: number): Pass {
    const pass = this.#passes.get(span) ?? this.#create(span);
    this.#passes.delete(span);
    this.#passes.set(span, pass);
    const [oldest] = this.#passes.keys();
    if (this.#passes.size > KEPT_PASSES && oldest !== undefined) {
      this.#passes.get(oldest)?.[Symbol.dispose]();
      this.#passes.delete(oldest);
    }
    return pass;
  }

  [Symbol.dispose](): void {
    for (const pass of this.#passes.values()) pass[Symbol.dispose]();
  }
}

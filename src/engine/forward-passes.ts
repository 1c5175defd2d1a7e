import { remoeError } from "../core/errors.ts";
import { DefaultPasses } from "./default-passes.ts";
import { DevicePasses } from "./device-passes.ts";
import { ExactPasses } from "./exact-passes.ts";
import type { GenerationControl } from "./generation.ts";
import { BATCH_TOKENS, type PassStrategy } from "./pass-strategy.ts";
import type { PassOptions, Runtime } from "./runtime.ts";

/**
 * `exact`: the operations of llama.cpp in its order, so its logits bit for bit; needs every expert in this function.
 * `default`: prefill groups tokens by expert, which is faster and rounds differently in the last digits, but always the
 * same: not depending on threads, batch size or placement of experts.
 */
export type Numerics = "default" | "exact";

/** The forward passes of an engine. */
export class ForwardPasses implements Disposable {
  readonly #runtime: Runtime;
  readonly #strategy: PassStrategy;

  /** @throws NUMERICS_NEED_ALL_EXPERTS */
  constructor(runtime: Runtime, numerics: Numerics) {
    this.#runtime = runtime;
    this.#strategy = chooseStrategy(runtime, numerics);
  }

  /**
   * Computes a sequence from its first token on. → logits of the last, [vocabulary]; undefined if `finish` was aborted
   * before the last batch
   */
  async prefill(
    tokens: readonly number[],
    { signal, finish, ...options }: PassOptions & Pick<GenerationControl, "signal" | "finish">,
  ): Promise<Float32Array | undefined> {
    let logits: Float32Array | undefined;
    for (let first = 0; first < tokens.length; first += BATCH_TOKENS) {
      signal.throwIfAborted();
      if (finish?.aborted === true) return undefined;
      const batch = tokens.slice(first, first + BATCH_TOKENS);
      const isLast = first + BATCH_TOKENS >= tokens.length;
      logits = await this.#strategy.prefill(batch, first, { ...options, isLast });
    }
    return logits;
  }

  /** Computes one token. → logits, [vocabulary] */
  decode(token: number, position: number, options: PassOptions): Promise<Float32Array> {
    return this.#strategy.decode(token, position, options);
  }

  /** Between requests: threads sleep instead of spinning. */
  rest(): void {
    this.#runtime.backend.park();
  }

  [Symbol.dispose](): void {
    this.#strategy[Symbol.dispose]();
  }
}

function chooseStrategy(runtime: Runtime, numerics: Numerics): PassStrategy {
  if (numerics === "default") {
    return runtime.device === null ? new DefaultPasses(runtime) : new DevicePasses(runtime, runtime.device);
  }
  if (runtime.device !== null) throw remoeError("NUMERICS_NEED_PROCESSOR", { device: runtime.device.name });
  if (!runtime.bank.isComplete(runtime.hyper.experts)) throw remoeError("NUMERICS_NEED_ALL_EXPERTS", {});
  return new ExactPasses(runtime);
}

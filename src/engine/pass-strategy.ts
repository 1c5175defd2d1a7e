import type { PassOptions } from "./runtime.ts";

/** Tokens of one prefill batch, as llama.cpp's default micro-batch. */
export const BATCH_TOKENS = 512;

export interface BatchOptions extends PassOptions {
  /** The last batch of the prompt: its last token's logits are wanted. */
  readonly isLast: boolean;
}

/** One way to compute tokens. Logits returned are views that the next pass overwrites. */
export interface PassStrategy extends Disposable {
  /** Computes up to {@link BATCH_TOKENS} tokens. → logits of the last, [vocabulary], if it is the last batch */
  prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined>;
  /** → logits, [vocabulary] */
  decode(token: number, position: number, options: PassOptions): Promise<Float32Array>;
}

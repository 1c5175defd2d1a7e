import type { CacheRegion } from "./cache-regions.ts";
import type { PassOptions } from "./runtime.ts";

/** Tokens of one prefill batch, as llama.cpp's default micro-batch. */
export const BATCH_TOKENS = 512;

/** Of a sequence whose keys and values go to its region of the cache. */
export interface SequenceOptions extends PassOptions {
  readonly region: CacheRegion;
}

export interface BatchOptions extends SequenceOptions {
  /** The last batch of the prompt: its last token's logits are wanted. */
  readonly isLast: boolean;
}

/** The next token of a sequence. */
export interface DecodeStep extends SequenceOptions {
  readonly token: number;
  readonly position: number;
}

/** Logits [vocabulary] of a step, or why there are none. */
export type DecodeResult = { readonly logits: Float32Array } | { readonly error: unknown };

/** One way to compute tokens. Logits returned are views that the next pass overwrites. */
export interface PassStrategy extends Disposable {
  /** Computes up to {@link BATCH_TOKENS} tokens. → logits of the last, [vocabulary], if it is the last batch */
  prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined>;
  /** Computes the next token of each sequence: of one, or of several where the strategy is made for it. */
  decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]>;
}

/** For strategies that compute a single sequence at a time. */
export async function oneByOne(
  steps: readonly DecodeStep[],
  decode: (step: DecodeStep) => Promise<Float32Array>,
): Promise<readonly DecodeResult[]> {
  const [step, ...others] = steps;
  if (step === undefined || others.length > 0) throw new Error(`${steps.length} sequences at once, expected one`);
  return [{ logits: await decode(step) }];
}

import { isRemoeError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { GenerationDone } from "../engine/generation.ts";
import { TRACED_TOKENS, toHistoryRecord } from "../gateway/history-record.ts";
import { encodePrompt, type Prompt, type ServedModel } from "../gateway/prompt.ts";
import type { HistoryRecord } from "../history/record.ts";
import { GREEDY } from "../model/sampling.ts";
import type { TokenEmbeddings } from "../model/token-embeddings.ts";
import { promptVector } from "../predictor/prompt-vector.ts";
import type { FilePrompt } from "./read-prompts.ts";

export interface TraceOptions {
  readonly engine: Engine;
  readonly model: ServedModel;
  readonly embeddings: TokenEmbeddings;
  /** Prompts are texts to continue, without the chat template. */
  readonly isRaw: boolean;
  /** Most tokens to generate after each prompt, greedily; 0 computes the prompt only. */
  readonly maxTokens: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Called for a prompt that does not fit the context; it gives no record. */
  readonly onSkip: (prompt: FilePrompt, reason: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs prompts one after the other and yields what each activated. Ends early when the signal is aborted.
 * @throws what {@link encodePrompt} and the engine throw
 */
export async function* tracePrompts(
  prompts: readonly FilePrompt[],
  options: TraceOptions,
): AsyncGenerator<HistoryRecord, void, void> {
  const { signal } = options;
  for (const prompt of prompts) {
    const tokens = encode(prompt, options);
    if (tokens === null) continue;
    const done = await run(tokens, options);
    if (done === null) return;
    const { id, domain } = prompt;
    const vector = await toVector(tokens, options);
    yield toHistoryRecord({ id, domain, time: options.now(), tokens, vector }, done);
    if (signal.aborted) return;
  }
}

/** → its tokens; null if there are too many. */
function encode(prompt: FilePrompt, { model, isRaw, onSkip }: TraceOptions): readonly number[] | null {
  const text = prompt.prompt;
  const asked: Prompt = isRaw ? { type: "text", text } : { type: "chat", messages: [{ role: "user", content: text }] };
  try {
    return encodePrompt(asked, model);
  } catch (error) {
    if (!isRemoeError(error) || error.code !== "CONTEXT_LENGTH_EXCEEDED") throw error;
    onSkip(prompt, error.message);
    return null;
  }
}

/** → null when the signal was aborted before the end. */
async function run(
  promptTokens: readonly number[],
  { engine, model, maxTokens, signal }: TraceOptions,
): Promise<GenerationDone | null> {
  const request = {
    promptTokens,
    replayTokens: [],
    maxTokens,
    sampling: GREEDY,
    stopTokens: model.tokenizer.endOfGeneration,
    topLogprobs: null,
    traceTokens: TRACED_TOKENS,
  };
  const control = { signal: new AbortController().signal, finish: signal };
  for await (const event of engine.generate(request, control)) {
    if (event.type === "done" && event.finishReason !== "cancelled") return event;
  }
  return null;
}

async function toVector(tokens: readonly number[], { embeddings }: TraceOptions): Promise<Float32Array> {
  return promptVector(tokens, await embeddings.of(tokens), embeddings.dimensions);
}

import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { RequestTrace } from "../../src/gateway/trace.ts";

export interface StreamQuestion {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
  /** Tokens it may not say. */
  readonly without: readonly number[];
  /** Called after each piece of text. */
  readonly onProgress?: () => void;
  readonly signal?: AbortSignal;
}

export interface StreamedAnswer extends Pick<RequestTrace, "timings" | "faults" | "bill"> {
  readonly text: string;
}

interface Chunk {
  readonly choices?: readonly { readonly text: string }[];
  readonly error?: { readonly message: string };
  readonly x_remoe?: Omit<StreamedAnswer, "text">;
}

/** Asks a served model to continue a text, as a client of the API does. @throws when the stream breaks or is aborted */
export async function streamCompletion(url: string, question: StreamQuestion): Promise<StreamedAnswer> {
  const { prompt, maxTokens, seed, without, signal = null, onProgress } = question;
  const sampling = { seed, temperature: 0.7, logit_bias: Object.fromEntries(without.map((token) => [token, -100])) };
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt, max_tokens: maxTokens, stream: true, ...sampling }),
    signal,
  });
  if (response.body === null) throw new Error(`there is no answer, status ${response.status}`);
  let text = "";
  for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
    if (!line.startsWith("data: {")) continue;
    const { choices, error, x_remoe } = JSON.parse(line.slice("data: ".length)) as Chunk;
    if (error !== undefined) throw new Error(`${error.message}, after '${text}'`);
    text += choices?.[0]?.text ?? "";
    if (x_remoe !== undefined) return { text, ...x_remoe };
    onProgress?.();
  }
  throw new Error(`the stream ended early, after '${text}'`);
}

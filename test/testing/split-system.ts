import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { type System, type SystemOptions, startSystem } from "../../src/cli/system.ts";
import { BUNDLED_PROMPTS } from "../../src/engine/testing/bundled-model.ts";
import type { TokenEvent } from "../../src/functions/protocol.ts";
import type { RequestTrace } from "../../src/gateway/trace.ts";
import { GREEDY, type Sampling } from "../../src/model/sampling.ts";
import type { InstanceReport } from "../../src/platform/platform.ts";

export interface Answer {
  readonly tokens: readonly number[];
  /** Of each token, with alternatives, if asked for. */
  readonly logprobs: readonly Pick<TokenEvent, "logprob" | "top">[];
  readonly text: string;
  readonly trace: RequestTrace;
}

export interface Question {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  readonly topLogprobs?: number;
  readonly sampling?: Partial<Sampling>;
  /** Told how many tokens have come, after each delta; 0 once when the request was accepted. */
  readonly onProgress?: (tokens: number) => void;
}

/** The answer to one question, however it got here. */
export async function ask({ pipeline }: System, question: Question): Promise<Answer> {
  const { prompt, maxTokens, stop = [], topLogprobs = null, sampling, onProgress } = question;
  const tokens: number[] = [];
  const logprobs: Pick<TokenEvent, "logprob" | "top">[] = [];
  let text = "";
  const request = {
    requestId: randomUUID(),
    prompt: { type: "chat", messages: [{ role: "user", content: prompt }] },
    maxTokens,
    stop,
    sampling: { ...GREEDY, ...sampling },
    topLogprobs,
  } as const;
  for await (const event of pipeline.complete(request, new AbortController().signal)) {
    if (event.type === "end") return { tokens, logprobs, text, trace: event.trace };
    if (event.type === "delta") {
      tokens.push(...event.tokens.map(({ token }) => token));
      logprobs.push(...event.tokens.map(({ logprob, top }) => ({ logprob, top })));
      text += event.text;
    }
    onProgress?.(tokens.length);
  }
  throw new Error("the pipeline ended without an end event");
}

export function startSplit(options: SystemOptions["plan"], more: Partial<SystemOptions> = {}): Promise<System> {
  return startSystem({ threads: 1, ...more, plan: options });
}

export function instancesOf({ platform }: System, role: InstanceReport["role"]): readonly InstanceReport[] {
  return platform.list().filter((instance) => instance.role === role && instance.pid !== null);
}

/** Prompts of the bundled test set, as their authors wrote them. */
export function questions(count: number): string[] {
  const lines = readFileSync(BUNDLED_PROMPTS, "utf8").split("\n").slice(0, count);
  return lines.map((line) => (JSON.parse(line) as { prompt: string }).prompt);
}

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { Sampler } from "../../model/sampler.ts";
import { GREEDY } from "../../model/sampling.ts";
import type { Engine } from "../engine.ts";
import type { GenerationControl, GenerationDone, GenerationRequest, GenerationToken } from "../generation.ts";

export interface Generation {
  readonly tokens: readonly number[];
  readonly events: readonly GenerationToken[];
  /** What every token was chosen from: [vocabulary] each. */
  readonly logits: readonly Float32Array[];
  readonly done: GenerationDone;
}

export interface GenerationOptions extends Partial<GenerationRequest>, Partial<GenerationControl> {}

const DEFAULTS = {
  replayTokens: [],
  maxTokens: 8,
  sampling: GREEDY,
  stopTokens: [],
  topLogprobs: null,
  traceTokens: 0,
};

/** Generates to the end: greedily, 8 tokens, nothing stops it, unless told otherwise. Keeps the logits of every step. */
export async function runGeneration(
  engine: Engine,
  promptTokens: readonly number[],
  { remote, finish, signal = new AbortController().signal, ...options }: GenerationOptions = {},
): Promise<Generation> {
  const request = { ...DEFAULTS, promptTokens, ...options };
  const logits: Float32Array[] = [];
  const events: GenerationToken[] = [];
  return recording.run(logits, async () => {
    for await (const event of engine.generate(request, { signal, finish, remote })) {
      if (event.type === "token") events.push(event);
      else return { tokens: events.map(({ token }) => token), events, logits, done: event };
    }
    throw new Error("the generation ended without a done event");
  });
}

/** The logits of the generation that is running, of several at once each its own. */
const recording = new AsyncLocalStorage<Float32Array[]>();
const { chooseToken } = Sampler.prototype;

/** Every choice of a token passes the sampler, which is where logits are seen without a door of their own. */
Sampler.prototype.chooseToken = function (this: Sampler, choice) {
  recording.getStore()?.push(choice.logits.slice());
  return chooseToken.call(this, choice);
};

/** A digest that is equal only for equal bits: tells -0 from 0, and compares faster than the numbers. */
export function bitsOf(logits: readonly Float32Array[]): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of logits) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex");
}

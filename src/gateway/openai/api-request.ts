import { z } from "zod";
import { GREEDY, type Sampling } from "../../model/sampling.ts";
import type { CompletionRequest } from "../pipeline.ts";
import { unsupported } from "./parse-body.ts";

/** What both completion APIs ask for, in Remoe's words. */
export interface ApiRequest {
  /** `null` asks for the default model. */
  readonly model: string | null;
  readonly stream: boolean;
  /** End a stream with a chunk of token counts. */
  readonly includeUsage: boolean;
  readonly completion: Omit<CompletionRequest, "requestId">;
}

/** OpenAI documents 4; 16 keeps the search for them cheap all the same. */
const MAX_STOP_STRINGS = 16;

const optionalNumber = (minimum: number, maximum: number) => z.number().min(minimum).max(maximum).nullish();
const optionalCount = z.int().min(1).nullish();

/** The fields that both APIs share. Unknown ones are ignored: clients send many that change nothing here. */
export const sharedFields = {
  model: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: optionalCount,
  stop: z.union([z.string(), z.array(z.string()).max(MAX_STOP_STRINGS)]).nullish(),
  seed: z.int().nullish(),
  temperature: optionalNumber(0, 2),
  top_p: optionalNumber(0, 1),
  top_k: z.int().min(-1).nullish(),
  min_p: optionalNumber(0, 1),
  repeat_penalty: z.number().positive().max(10).nullish(),
  repetition_penalty: z.number().positive().max(10).nullish(),
  frequency_penalty: optionalNumber(-2, 2),
  presence_penalty: optionalNumber(-2, 2),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number().min(-100).max(100)).nullish(),
  n: unsupported("asks for more than one choice, and a request gets one", (value) => value === 1),
};

type SharedFields = z.output<z.ZodObject<typeof sharedFields>>;

/** OpenAI's defaults where it has them (temperature 1), else those that change nothing. */
export function toSampling(fields: SharedFields, randomSeed: () => number): Sampling {
  return {
    temperature: fields.temperature ?? 1,
    topP: fields.top_p ?? GREEDY.topP,
    topK: Math.max(0, fields.top_k ?? GREEDY.topK), // vLLM's clients write "all" as -1
    minP: fields.min_p ?? GREEDY.minP,
    repeatPenalty: fields.repeat_penalty ?? fields.repetition_penalty ?? GREEDY.repeatPenalty,
    repeatLastN: GREEDY.repeatLastN,
    frequencyPenalty: fields.frequency_penalty ?? GREEDY.frequencyPenalty,
    presencePenalty: fields.presence_penalty ?? GREEDY.presencePenalty,
    logitBias: fields.logit_bias ?? GREEDY.logitBias,
    seed: fields.seed ?? randomSeed(),
  };
}

/** A stop text that is empty would end every answer before it begins; some clients send one for "none". */
export function toStop({ stop }: SharedFields): readonly string[] {
  return [stop ?? []].flat().filter((text) => text !== "");
}

export function toDelivery(fields: SharedFields): Pick<ApiRequest, "model" | "stream" | "includeUsage"> {
  return {
    model: fields.model ?? null,
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
  };
}

import { remoeError } from "../core/errors.ts";
import type { Sampling } from "./sampling.ts";

interface Range {
  readonly allowed: string;
  readonly accepts: (value: number) => boolean;
}

const MAX_COUNT = 2 ** 31 - 1;

const between = (least: number, most: number): Range => ({
  allowed: `a number from ${least} to ${most}`,
  accepts: (value) => value >= least && value <= most,
});

const integerBetween = (least: number, most: number): Range => ({
  allowed: `an integer from ${least} to ${most}`,
  accepts: (value) => Number.isInteger(value) && value >= least && value <= most,
});

/** OpenAI's documented ranges where it has the field. */
const RANGES: Readonly<Record<Exclude<keyof Sampling, "logitBias">, Range>> = {
  temperature: between(0, 2),
  topK: integerBetween(0, MAX_COUNT),
  topP: between(0, 1),
  minP: between(0, 1),
  repeatPenalty: between(0.1, 10),
  repeatLastN: integerBetween(0, MAX_COUNT),
  frequencyPenalty: between(-2, 2),
  presencePenalty: between(-2, 2),
  seed: integerBetween(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
};

const BIAS = between(-100, 100);

/**
 * Checks values that come from a request.
 * @throws SAMPLING_INVALID naming the first field out of range, its value and what is allowed
 */
export function validateSampling(sampling: Sampling, vocabularySize: number): void {
  for (const [field, range] of Object.entries(RANGES)) {
    check(field, sampling[field as keyof typeof RANGES], range);
  }
  const tokens = integerBetween(0, vocabularySize - 1);
  for (const [token, bias] of Object.entries(sampling.logitBias)) {
    check(`the token of logitBias '${token}'`, Number(token), tokens);
    check(`logitBias of token ${token}`, bias, BIAS);
  }
}

function check(field: string, value: number, { allowed, accepts }: Range): void {
  if (!accepts(value)) throw remoeError("SAMPLING_INVALID", { field, value, allowed });
}

import { describe, expect, it } from "vitest";
import { GREEDY, type Sampling } from "./sampling.ts";
import { validateSampling } from "./validate-sampling.ts";

const VOCABULARY = 100;
const validate = (change: Partial<Sampling>): void => validateSampling({ ...GREEDY, ...change }, VOCABULARY);

describe("validateSampling", () => {
  it.each<Partial<Sampling>>([
    {},
    { temperature: 2, topP: 0, minP: 1, topK: 40, repeatPenalty: 1.1, repeatLastN: 0 },
    { frequencyPenalty: -2, presencePenalty: 2, seed: -7, logitBias: { 0: -100, 99: 100 } },
  ])("accepts %o", (change) => {
    expect(() => validate(change)).not.toThrow();
  });

  it.each<[Partial<Sampling>, string]>([
    [{ temperature: -0.1 }, "temperature is -0.1, allowed is a number from 0 to 2"],
    [{ temperature: Number.NaN }, "temperature is NaN, allowed is a number from 0 to 2"],
    [{ topK: 1.5 }, "topK is 1.5, allowed is an integer from 0 to 2147483647"],
    [{ topP: 1.01 }, "topP is 1.01, allowed is a number from 0 to 1"],
    [{ minP: -1 }, "minP is -1, allowed is a number from 0 to 1"],
    [{ repeatPenalty: 0 }, "repeatPenalty is 0, allowed is a number from 0.1 to 10"],
    [{ repeatLastN: -1 }, "repeatLastN is -1, allowed is an integer from 0 to 2147483647"],
    [{ frequencyPenalty: 2.5 }, "frequencyPenalty is 2.5, allowed is a number from -2 to 2"],
    [{ presencePenalty: -3 }, "presencePenalty is -3, allowed is a number from -2 to 2"],
    [{ seed: 2 ** 53 }, "seed is 9007199254740992, allowed is an integer from -9007199254740991 to 9007199254740991"],
    [{ logitBias: { 100: 1 } }, "the token of logitBias '100' is 100, allowed is an integer from 0 to 99"],
    [{ logitBias: { 5: 101 } }, "logitBias of token 5 is 101, allowed is a number from -100 to 100"],
  ])("refuses %o", (change, message) => {
    expect(() => validate(change)).toThrow(message);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uniformAt } from "../core/random.ts";
import { Sampler } from "./sampler.ts";
import { GREEDY, type Sampling } from "./sampling.ts";

interface Case {
  readonly logits: Float32Array;
  readonly sampling: Sampling;
  readonly recent: readonly number[];
  readonly position: number;
}

const at = (values: ArrayLike<number>, index: number): number => {
  const value = values[index];
  if (value === undefined) throw new Error(`no value at ${index}`);
  return value;
};

/** The documented algorithm, written the slow and obvious way: sort everything, double precision. */
function referenceChoice({ logits, sampling, recent, position }: Case): number {
  const adjusted = referenceAdjust(logits, sampling, recent);
  const logit = (token: number): number => at(adjusted, token);
  let tokens = [...adjusted.keys()].sort((a, b) => logit(b) - logit(a) || a - b);
  const maximum = logit(at(tokens, 0));
  if (sampling.temperature === 0) return at(tokens, 0);
  if (sampling.topK > 0) tokens = tokens.slice(0, sampling.topK);
  if (sampling.topP < 1) tokens = referenceTopP(tokens, logit, sampling.topP);
  tokens = tokens.filter((token) => logit(token) >= maximum + Math.log(sampling.minP)).sort((a, b) => a - b);
  const weights = tokens.map((token) => Math.exp((logit(token) - maximum) / sampling.temperature));
  const target = uniformAt(sampling.seed, position) * weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  const drawn = weights.findIndex((weight) => {
    reached += weight;
    return reached > target;
  });
  return at(tokens, drawn);
}

function referenceAdjust(logits: Float32Array, sampling: Sampling, recent: readonly number[]): Float32Array {
  const adjusted = Float32Array.from(logits);
  for (const [token, bias] of Object.entries(sampling.logitBias)) {
    adjusted[Number(token)] = at(adjusted, Number(token)) + bias;
  }
  const window = recent.slice(Math.max(0, recent.length - sampling.repeatLastN));
  for (const token of new Set(window)) {
    const count = window.filter((other) => other === token).length;
    const logit = at(adjusted, token);
    const repeated = logit > 0 ? logit / sampling.repeatPenalty : logit * sampling.repeatPenalty;
    adjusted[token] = repeated - count * sampling.frequencyPenalty - sampling.presencePenalty;
  }
  return adjusted;
}

function referenceTopP(ranked: readonly number[], logit: (token: number) => number, topP: number): number[] {
  const maximum = logit(at(ranked, 0));
  const weights = ranked.map((token) => Math.exp(logit(token) - maximum));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  const last = weights.findIndex((weight) => {
    reached += weight;
    return reached >= topP * total;
  });
  return ranked.slice(0, last < 0 ? ranked.length : last + 1);
}

const token = (size: number) => fc.integer({ min: 0, max: size - 1 });

/** A prime denominator, so that no sum of a few equal probabilities falls exactly on the limit. */
const share = fc.integer({ min: 0, max: 1009 }).map((numerator) => numerator / 1009);

const logitsOf = (size: number) =>
  fc
    .oneof(
      fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: size, maxLength: size }),
      fc.array(fc.constantFrom(Number.NEGATIVE_INFINITY, -1, 0, 1), { minLength: size, maxLength: size }), // many ties
    )
    .map((values) => Float32Array.from(values).fill(2, 3, 5)); // some token is not masked

const samplingOf = (size: number): fc.Arbitrary<Sampling> =>
  fc.record({
    temperature: fc.constantFrom(0, 0.01, 0.7, 1, 2),
    topK: fc.integer({ min: 0, max: size + 5 }),
    topP: fc.oneof(fc.constant(1), share),
    minP: fc.oneof(fc.constant(0), share),
    repeatPenalty: fc.constantFrom(1, 1.3),
    repeatLastN: fc.integer({ min: 0, max: 8 }),
    frequencyPenalty: fc.constantFrom(0, 0.5, -2),
    presencePenalty: fc.constantFrom(0, 1.5),
    logitBias: fc.dictionary(token(size).map(String), fc.integer({ min: -100, max: 100 }), { maxKeys: 3 }),
    seed: fc.maxSafeInteger(),
  });

const caseOf = (size: number): fc.Arbitrary<Case> =>
  fc.record({
    logits: logitsOf(size),
    sampling: samplingOf(size),
    recent: fc.array(token(size), { maxLength: 12 }),
    position: fc.nat(),
  });

describe("Sampler against a sorting reference", () => {
  it("chooses the same token for any logits and any sampling", () => {
    const sampler = new Sampler(40); // one for all runs: nothing may leak from call to call
    const agrees = fc.property(caseOf(40), (example) => {
      expect(sampler.chooseToken(example)).toBe(referenceChoice(example));
    });
    fc.assert(agrees, { seed: 1, numRuns: 2000 });
  });

  it("chooses the same token from a vocabulary much larger than its top k", () => {
    const size = 3000;
    const sampler = new Sampler(size);
    const logits = Float32Array.from({ length: size }, (_, index) => 8 * uniformAt(3, index));
    for (const topK of [0, 1, 2, 40, 1000, 2999, 3000]) {
      for (const topP of [0.3, 0.9, 1]) {
        const sampling = { ...GREEDY, temperature: 0.9, topK, topP, minP: 0.001, seed: topK };
        for (let position = 0; position < 20; position++) {
          const example = { logits, sampling, recent: [], position };
          expect(sampler.chooseToken(example)).toBe(referenceChoice(example));
        }
      }
    }
  });

  it("never writes to the logits", () => {
    const untouched = fc.property(caseOf(20), (example) => {
      const before = Float32Array.from(example.logits);
      new Sampler(20).chooseToken(example);
      expect(example.logits).toEqual(before);
    });
    fc.assert(untouched, { seed: 2, numRuns: 200 });
  });
});

/** The first draws of a sampling, one a position. */
function draws(logits: readonly number[], sampling: Partial<Sampling>, count = 200): number[] {
  const sampler = new Sampler(logits.length);
  const choice = { logits: Float32Array.from(logits), sampling: { ...GREEDY, ...sampling }, recent: [] };
  return Array.from({ length: count }, (_, position) => sampler.chooseToken({ ...choice, position }));
}

const drawnTokens = (logits: readonly number[], sampling: Partial<Sampling>): number[] =>
  [...new Set(draws(logits, sampling))].sort((a, b) => a - b);

describe("temperature", () => {
  const logits = [0.5, 2, -1, 1, 0, 1.5, -0.5, 1];

  it("0 takes the largest logit, and the lowest id among equal ones", () => {
    expect(drawnTokens([1, 3, 2, 3], { temperature: 0 })).toEqual([1]);
  });

  it.each([0.5, 1, 1.8])("%d draws each token as often as its tempered probability says", (temperature) => {
    const count = 20_000;
    const drawn = draws(logits, { temperature, seed: 11 }, count);
    const weights = logits.map((logit) => Math.exp(logit / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const chiSquare = weights.reduce((sum, weight, id) => {
      const expected = (count * weight) / total;
      return sum + (drawn.filter((other) => other === id).length - expected) ** 2 / expected;
    }, 0);
    expect(chiSquare).toBeLessThan(24.32); // 7 degrees of freedom, 99.9 %
  });

  it("that is tiny comes down to greedy", () => {
    expect(drawnTokens(logits, { temperature: 1e-6 })).toEqual([1]);
  });

  it("repeats its draws for a seed and changes them for another", () => {
    expect(draws(logits, { temperature: 1, seed: 5 })).toEqual(draws(logits, { temperature: 1, seed: 5 }));
    expect(draws(logits, { temperature: 1, seed: 5 })).not.toEqual(draws(logits, { temperature: 1, seed: 6 }));
  });
});

describe("truncation", () => {
  // probabilities 0.4, 0.3, 0.2, 0.1
  const logits = [0.4, 0.3, 0.2, 0.1].map(Math.log);

  it.each<[string, Partial<Sampling>, number[]]>([
    ["nothing", {}, [0, 1, 2, 3]],
    ["top-k 1 (greedy)", { topK: 1 }, [0]],
    ["top-k 2", { topK: 2 }, [0, 1]],
    ["top-k beyond the vocabulary", { topK: 9 }, [0, 1, 2, 3]],
    ["top-p 0 (greedy)", { topP: 0 }, [0]],
    ["top-p 0.39, reached by the first", { topP: 0.39 }, [0]],
    ["top-p 0.41, which needs the second", { topP: 0.41 }, [0, 1]],
    ["top-p 0.91, which needs all", { topP: 0.91 }, [0, 1, 2, 3]],
    ["min-p 0.49, half of the best", { minP: 0.49 }, [0, 1, 2]],
    ["min-p 0.51", { minP: 0.51 }, [0, 1]],
    ["min-p 1", { minP: 1 }, [0]],
    ["top-p of the probabilities among the top k (0.4 of 0.7)", { topK: 2, topP: 0.56 }, [0]],
    ["min-p after top-p, which sees all", { minP: 0.7, topP: 0.75 }, [0, 1]],
    ["temperature last: it does not widen top-p", { topP: 0.39, temperature: 2 }, [0]],
  ])("with %s draws from the right tokens", (_what, sampling, expected) => {
    expect(drawnTokens(logits, { temperature: 1, ...sampling })).toEqual(expected);
  });

  it("keeps the lowest ids among equal logits", () => {
    expect(drawnTokens([1, 1, 1, 1], { temperature: 1, topK: 2 })).toEqual([0, 1]);
    expect(drawnTokens([1, 1, 1, 1], { temperature: 1, topP: 0.6 })).toEqual([0, 1, 2]);
  });

  it("never draws a masked token", () => {
    const masked = Number.NEGATIVE_INFINITY;
    expect(drawnTokens([masked, 1, masked, 1], { temperature: 2, topK: 3 })).toEqual([1, 3]);
  });
});

describe("bias and penalties", () => {
  const all = { repeatPenalty: 2, frequencyPenalty: 0.5, presencePenalty: 0.25 };

  it.each<[what: string, logit: number, recent: number[], sampling: Partial<Sampling>, becomes: number]>([
    ["an unseen token keeps its logit", 3, [1, 1], all, 3],
    ["a positive logit is divided", 3, [0], { repeatPenalty: 2 }, 1.5],
    ["a negative logit is multiplied", -3, [0], { repeatPenalty: 2 }, -6],
    ["frequency counts each time", 3, [0, 1, 0], { frequencyPenalty: 0.5 }, 2],
    ["presence counts once", 3, [0, 0, 0], { presencePenalty: 0.25 }, 2.75],
    ["repeat comes before the others", 3, [0, 0], all, 0.25],
    ["only the last tokens count", 3, [0, 0, 1, 1], { ...all, repeatLastN: 2 }, 3],
    ["a window of 0 turns them off", 3, [0], { ...all, repeatLastN: 0 }, 3],
    ["a bias is added", 3, [], { logitBias: { 0: -1.5 } }, 1.5],
    ["a bias comes before the penalties", 3, [0], { repeatPenalty: 2, logitBias: { 0: 1 } }, 2],
  ])("%s", (_what, logit, recent, sampling, becomes) => {
    // Token 2, which is never recent, wins from just above the value that token 0 should get, and not from just below.
    const winnerAgainst = (rival: number): number =>
      new Sampler(3).chooseToken({
        logits: Float32Array.of(logit, -100, rival),
        sampling: { ...GREEDY, ...sampling },
        recent,
        position: 0,
      });
    expect([winnerAgainst(becomes - 0.01), winnerAgainst(becomes + 0.01)]).toEqual([0, 2]);
  });
});

describe("unusable logits", () => {
  const choose = (logits: readonly number[], temperature = 1) => draws(logits, { temperature }, 1);

  it.each([0, 1])("are refused at temperature %d, whatever comes first", (temperature) => {
    expect(() => choose([1, Number.NaN, 2], temperature)).toThrow("token 1 has the logit NaN");
    expect(() => choose([Number.NaN, 1], temperature)).toThrow("token 0 has the logit NaN");
    expect(() => choose([1, Number.POSITIVE_INFINITY], temperature)).toThrow("token 1 has the logit Infinity");
    expect(() => choose([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], temperature)).toThrow("all 2 are -Inf");
  });

  it("include a number of them that does not fit the vocabulary", () => {
    const choice = { logits: new Float32Array(3), sampling: GREEDY, recent: [], position: 0 };
    expect(() => new Sampler(4).chooseToken(choice)).toThrow("3 for a vocabulary of 4 tokens");
  });
});

import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { loadNative } from "../ggml/library.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { WIDE } from "../model/synth/tiny-shapes.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import type { ExpertSelection } from "./expert-bank.ts";
import type { GenerationControl, GenerationRequest } from "./generation.ts";
import type { RemoteExperts } from "./runtime.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { type Generation, runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const text = bundledPrompts(native, 40).flat();

const random = (options: Omit<Parameters<typeof writeTestModel>[0], "path">): GgufFile =>
  writeTestModel({ path: join(temporaryFolder(), "model.gguf"), ...options });

const MODELS: readonly (readonly [string, () => GgufFile])[] = [
  ["bundled", () => readGguf(BUNDLED_MODEL)],
  ["Q4_K, rearranged", () => random({ quant: "Q4_K", shape: WIDE })],
  ["latent attention, shared experts", () => random({ architecture: "deepseek2", quant: "Q8_0" })],
  ["IQ4_XS, whose kernel takes eight rows in another way than four", () => random({ quant: "IQ4_XS", shape: WIDE })],
  ["sliding window, biases, sinks", () => random({ architecture: "gpt-oss", quant: "F32" })],
];

const load = (file: GgufFile, options: Partial<EngineOptions> = {}): Promise<Engine> =>
  Engine.load(native, file, { threads: 2, contextLength: 512, parallel: 6, ...options });

function promptsFor({ hyper }: Engine, lengths: readonly number[]): number[][] {
  return lengths.map((length, i) => text.slice(7 * i, 7 * i + length).map((token) => token % hyper.vocabulary));
}

/** Tokens with the log probabilities of the best: what is left of a logit's bits. */
function answerOf({ events }: Generation): unknown {
  return events.map(({ token, logprob, top }) => ({ token, logprob, top }));
}

const ASKED: Partial<GenerationRequest> = { maxTokens: 12, topLogprobs: 5 };

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Everyone begins a little later than the one before. */
function runTogether(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  control: (i: number) => Partial<GenerationControl> = () => ({}),
): Promise<PromiseSettledResult<Generation>[]> {
  const generations = prompts.map(async (prompt, i) => {
    await turns(3 * i);
    return runGeneration(engine, prompt, { ...ASKED, ...control(i) });
  });
  return Promise.allSettled(generations);
}

async function runAlone(engine: Engine, prompts: readonly (readonly number[])[]): Promise<unknown[]> {
  const answers = [];
  for (const prompt of prompts) answers.push(answerOf(await runGeneration(engine, prompt, ASKED)));
  return answers;
}

const answersOf = (results: readonly PromiseSettledResult<Generation>[]): unknown[] =>
  results.map((result) => (result.status === "fulfilled" ? answerOf(result.value) : result.reason));

/** One call at a time, as a function on the other side of a wire has it. */
function oneAtATime(experts: RemoteExperts): RemoteExperts {
  let previous: Promise<void> = Promise.resolve();
  return {
    compute: (call) => {
      const own = previous.then(() => experts.compute(call));
      previous = own.catch(() => {});
      return own;
    },
  };
}

/** Something else happens from the n-th call on. */
function fromCall(n: number, experts: RemoteExperts, act: RemoteExperts["compute"]): RemoteExperts {
  let calls = 0;
  return { compute: (call) => (++calls < n ? experts.compute(call) : act(call)) };
}

/** A share of the experts of every layer, and the others. */
function drawHalves({ hyper }: Engine, seed: number): { here: ExpertSelection; elsewhere: ExpertSelection } {
  const draw = createRandom(seed);
  const isHere = Array.from({ length: hyper.layers }, () => Array.from({ length: hyper.experts }, () => draw() < 0.5));
  const pick = (wanted: boolean): ExpertSelection =>
    isHere.map((layer) => [...layer.keys()].filter((expert) => layer[expert] === wanted));
  return { here: pick(true), elsewhere: pick(false) };
}

describe.each(MODELS)("sequences computed together get the bits that each gets alone (%s)", (_, open) => {
  it("whoever they are with, and whenever they come", async () => {
    using engine = await load(open());
    const cases = fc.array(fc.integer({ min: 1, max: 140 }), { minLength: 2, maxLength: 7 });
    const property = fc.asyncProperty(cases, async (lengths) => {
      const prompts = promptsFor(engine, lengths);
      const alone = await runAlone(engine, prompts);
      expect(answersOf(await runTogether(engine, prompts))).toEqual(alone);
    });
    await fc.assert(property, { seed: 20_261_122, numRuns: 4 });
  });

  it("with half of the experts elsewhere too", async () => {
    const file = open();
    using whole = await load(file);
    const prompts = promptsFor(whole, [3, 70, 20, 1]);
    const alone = await runAlone(whole, prompts);
    const { here, elsewhere } = drawHalves(whole, 5);
    using engine = await load(file, { experts: here });
    using experts = await SplitExperts.load(native, file, [elsewhere]);
    const remote = oneAtATime(experts);
    expect(answersOf(await runTogether(engine, prompts, () => ({ remote })))).toEqual(alone);
  });
});

describe("a generation among others", () => {
  it("that is aborted, or whose experts fail, does not disturb them", async () => {
    const file = readGguf(BUNDLED_MODEL);
    using whole = await load(file);
    const prompts = promptsFor(whole, [30, 30, 30, 30]);
    const alone = await runAlone(whole, prompts);
    const { here, elsewhere } = drawHalves(whole, 9);
    using engine = await load(file, { experts: here });
    using experts = await SplitExperts.load(native, file, [elsewhere]);
    const remote = oneAtATime(experts);
    const leaving = new AbortController();
    const failing = fromCall(20, remote, () => Promise.reject(new Error("all replicas are lost")));
    const left = fromCall(30, remote, (call) => {
      leaving.abort(new Error("left"));
      return remote.compute(call);
    });
    const results = await runTogether(engine, prompts, (i) => {
      if (i === 1) return { remote: failing };
      return i === 2 ? { remote: left, signal: leaving.signal } : { remote };
    });
    expect(results[1]).toMatchObject({ status: "rejected", reason: new Error("all replicas are lost") });
    expect(results[2]).toMatchObject({ status: "rejected", reason: new Error("left") });
    expect(answersOf(results)[0]).toEqual(alone[0]);
    expect(answersOf(results)[3]).toEqual(alone[3]);
  });

  it("waits for room, and leaves the queue when it is aborted", async () => {
    using engine = await load(readGguf(BUNDLED_MODEL), { parallel: 2, contextLength: 256 });
    const prompts = promptsFor(engine, [20, 20, 20, 20]);
    const alone = await runAlone(engine, prompts);
    const gone = AbortSignal.abort(new Error("left"));
    const results = await runTogether(engine, prompts, (i) => (i === 3 ? { signal: gone } : {}));
    expect(answersOf(results.slice(0, 3))).toEqual(alone.slice(0, 3));
    expect(results[3]).toMatchObject({ status: "rejected", reason: new Error("left") });
  });

  it("is charged with its share of the time: all shares sum to the time in which any was there", async () => {
    let now = 0;
    using engine = await load(readGguf(BUNDLED_MODEL), { clock: () => now++ });
    const prompts = promptsFor(engine, [40, 80, 10]);
    const began = now;
    const results = await runTogether(engine, prompts);
    const shares = results.map((result) => (result.status === "fulfilled" ? result.value.done.timings.busyMs : 0));
    const total = shares.reduce((sum, share) => sum + share);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(total).toBeLessThanOrEqual(now - began);
    expect(total).toBeGreaterThan(0.8 * (now - began));
  });
});

describe("several sequences at once are refused", () => {
  it("with exact numerics, which are llama.cpp's for a single one", async () => {
    const loading = load(readGguf(BUNDLED_MODEL), { numerics: "exact" });
    await expect(loading).rejects.toMatchObject({ code: "PARALLEL_UNSUPPORTED" });
  });
});

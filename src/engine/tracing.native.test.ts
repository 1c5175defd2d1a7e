import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import { allExperts } from "./expert-bank.ts";
import type { ActivationCounts, RoutingSample } from "./generation.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { bitsOf, type GenerationOptions, runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const bundled = readGguf(BUNDLED_MODEL);
const text = bundledPrompts(native, 60).flat();
const ALL = 10_000;
/** Row by row as a whole, in tiles, and in several batches. */
const LENGTHS = [1, 2, 30, 60, 61, 64, 130, 512, 513, 700];
const EVEN = allExperts(6, 16).map((layer) => layer.filter((expert) => expert % 2 === 0));
const ODD = allExperts(6, 16).map((layer) => layer.filter((expert) => expert % 2 === 1));

const load = (options: Partial<EngineOptions> = {}, file: GgufFile = bundled): Promise<Engine> =>
  Engine.load(native, file, { threads: 2, contextLength: 1024, ...options });

const sums = (counts: ActivationCounts): number[] => counts.map((layer) => layer.reduce((a, b) => a + b));

/** What a sample of every token amounts to. */
function countSample(
  { tokens, experts }: RoutingSample,
  { layers, experts: width, expertsPerToken: k }: Engine["hyper"],
) {
  const counts = Array.from({ length: layers }, () => Array<number>(width).fill(0));
  for (let i = 0; i < tokens.length * layers * k; i++) {
    const layer = counts[Math.floor(i / k) % layers] as number[];
    const expert = experts[i] as number;
    layer[expert] = (layer[expert] as number) + 1;
  }
  return counts;
}

describe.each(["default", "exact"] as const)("a traced request (%s numerics)", (numerics) => {
  it.each(LENGTHS)("of %i prompt tokens counts all of them in every layer", async (length) => {
    using engine = await load({ numerics });
    const { layers, expertsPerToken: k } = engine.hyper;
    const { done } = await runGeneration(engine, text.slice(0, length), { traceTokens: 1, maxTokens: 5 });
    expect(sums(done.activations.prefill)).toEqual(Array(layers).fill(length * k));
    expect(sums(done.activations.decode)).toEqual(Array(layers).fill(4 * k));
  });

  it.each(LENGTHS)("of %i prompt tokens has the logits and the traffic of an untraced one", async (length) => {
    using engine = await load({ numerics });
    const prompt = text.slice(0, length);
    const untraced = await runGeneration(engine, prompt, { maxTokens: 5 });
    const traced = await runGeneration(engine, prompt, { maxTokens: 5, traceTokens: ALL });
    expect(bitsOf(traced.logits)).toBe(bitsOf(untraced.logits));
    expect(traced.done.experts).toEqual(untraced.done.experts);
    expect(traced.done.activations.decode).toEqual(untraced.done.activations.decode);
    expect(traced.done.activations.prefill.slice(0, -1)).toEqual(untraced.done.activations.prefill.slice(0, -1));
  });
});

it("experts elsewhere leave the choices as they are", async () => {
  using whole = await load();
  using part = await load({ experts: EVEN });
  using remote = await SplitExperts.load(native, bundled, [ODD]);
  for (const length of LENGTHS) {
    const options: GenerationOptions = { maxTokens: 5, traceTokens: ALL };
    const expected = await runGeneration(whole, text.slice(0, length), options);
    const split = await runGeneration(part, text.slice(0, length), { ...options, remote });
    expect(split.done.activations, `${length} tokens`).toEqual(expected.done.activations);
    expect(split.done.samples, `${length} tokens`).toEqual(expected.done.samples);
    const { localRows, remoteRows } = split.done.experts;
    expect(localRows + remoteRows).toBe(expected.done.experts.localRows);
  }
});

describe("the choices of the default numerics are those of the exact ones but for near-ties", () => {
  it.each([
    ["bundled", () => bundled],
    [
      "random",
      () => writeTestModel({ path: join(temporaryFolder(), "m.gguf"), shape: { layers: 4, expertsPerToken: 3 } }),
    ],
  ])("%s", async (_, file) => {
    using fast = await load({}, file());
    using exact = await load({ numerics: "exact" }, file());
    const prompt = text.slice(0, 700).map((token) => token % fast.hyper.vocabulary);
    const options = { maxTokens: 1, traceTokens: ALL };
    const { experts } = (await runGeneration(fast, prompt, options)).done.samples.prefill;
    const reference = (await runGeneration(exact, prompt, options)).done.samples.prefill.experts;
    expect(experts).toHaveLength(reference.length);
    const { layers, expertsPerToken: k } = fast.hyper;
    for (let layer = 0; layer < layers; layer++) {
      const own = experts.filter((__, i) => Math.floor(i / k) % layers === layer);
      const other = reference.filter((__, i) => Math.floor(i / k) % layers === layer);
      const different = own.filter((expert, i) => expert !== other[i]).length;
      expect(different / own.length).toBeLessThan(0.01);
    }
  });
});

describe("a sample", () => {
  it("of every token amounts to the counts", async () => {
    using engine = await load();
    const prompt = text.slice(0, 600);
    const { tokens, done } = await runGeneration(engine, prompt, { maxTokens: 20, traceTokens: ALL });
    const { prefill, decode } = done.samples;
    expect([...prefill.tokens]).toEqual(prompt);
    expect([...decode.tokens]).toEqual(tokens.slice(0, -1));
    expect(countSample(prefill, engine.hyper)).toEqual(done.activations.prefill);
    expect(countSample(decode, engine.hyper)).toEqual(done.activations.decode);
  });

  it("of some tokens is that part of the sample of all", async () => {
    using engine = await load();
    const prompt = text.slice(0, 600);
    const all = (await runGeneration(engine, prompt, { maxTokens: 20, traceTokens: ALL })).done.samples;
    const some = (await runGeneration(engine, prompt, { maxTokens: 20, traceTokens: 7 })).done.samples;
    const { layers, expertsPerToken: k } = engine.hyper;
    const at = (position: number) => [...all.prefill.experts.slice(position * layers * k, (position + 1) * layers * k)];
    const positions = [0, 85, 171, 257, 342, 428, 514];
    expect([...some.prefill.tokens]).toEqual(positions.map((position) => prompt[position]));
    expect([...some.prefill.experts]).toEqual(positions.flatMap(at));
    expect(some.decode.tokens).toEqual(all.decode.tokens.slice(0, 7));
    expect(some.decode.experts).toEqual(all.decode.experts.slice(0, 7 * layers * k));
  });

  it("is empty unless it is asked for", async () => {
    using engine = await load();
    const { done } = await runGeneration(engine, text.slice(0, 30));
    const nothing = { tokens: new Uint32Array(), experts: new Uint16Array() };
    expect(done.samples).toEqual({ prefill: nothing, decode: nothing });
  });

  it("of a prefill that was finished early has what was computed", async () => {
    using engine = await load();
    const { layers, expertsPerToken: k } = engine.hyper;
    let checks = 0;
    const finish = Object.defineProperty(new AbortController().signal, "aborted", { get: () => ++checks > 1 });
    const { done } = await runGeneration(engine, text.slice(0, 1000), { traceTokens: ALL, finish });
    expect(sums(done.activations.prefill)).toEqual(Array(layers).fill(512 * k));
    expect([...done.samples.prefill.tokens]).toEqual(text.slice(0, 512));
    expect(countSample(done.samples.prefill, engine.hyper)).toEqual(done.activations.prefill);
  });
});

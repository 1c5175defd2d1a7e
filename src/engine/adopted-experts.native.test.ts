import { truncateSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { loadNative } from "../ggml/library.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import type { ExpertTensors } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import { AdoptedExperts, type AdoptedExpertsOptions } from "./adopted-experts.ts";
import { Engine } from "./engine.ts";
import { allExperts, expertBytes } from "./expert-bank.ts";
import { ExpertEngine } from "./expert-engine.ts";
import { routeRows } from "./routing.ts";
import type { ExpertKernel, RemoteCall } from "./runtime.ts";
import { cpuPlacement } from "./tensor-loader.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { countHeld } from "./testing/counting-native.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const bundled = readGguf(BUNDLED_MODEL);
const { hyper, experts: expertTensors } = readTransformer(bundled);
const { hidden, layers, experts, expertsPerToken: k } = hyper;
const [largestLayer = 0] = expertTensors.map((tensors) => expertBytes(tensors, 1)).toSorted((a, b) => b - a);
const MAX_TOKENS = 64;

function adopt(file: GgufFile, options: Partial<AdoptedExpertsOptions> = {}, natives = native): AdoptedExperts {
  const placement = cpuPlacement(native);
  const defaults = { placement, threads: 2, maxTokens: MAX_TOKENS, memoryBytes: Number.POSITIVE_INFINITY };
  return new AdoptedExperts(natives, file, { ...defaults, ...options });
}

interface DrawnCall {
  readonly layer: number;
  readonly kernel: ExpertKernel;
  readonly tokens: number;
  readonly seed: number;
}

/** Random hidden states, for random experts. */
function callFor({ layer, kernel, tokens, seed }: DrawnCall): RemoteCall {
  const random = createRandom(seed);
  const chosen = Array.from({ length: tokens }, () =>
    [...Array(experts).keys()]
      .map((expert) => [random(), expert] as const)
      .sort(([a], [b]) => a - b)
      .slice(0, k)
      .map(([, expert]) => expert),
  );
  const rows = routeRows(Int32Array.from(chosen.flat()), k, () => true);
  const inputs = Float32Array.from({ length: hidden * tokens }, () => 2 * random() - 1);
  const weights = new Float32Array(k * tokens).fill(1 / k);
  return { layer, kernel, inputs, rows, weights, outputs: new Float32Array(hidden * k * tokens) };
}

const calls = fc.record({
  layer: fc.nat(layers - 1),
  kernel: fc.constantFrom<ExpertKernel>("decode", "prefill"),
  tokens: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: MAX_TOKENS })),
  seed: fc.nat(),
});

describe("adopted experts give the bits of any other holder", async () => {
  const placement = cpuPlacement(native);
  const options = { selection: allExperts(layers, experts), threads: 2, maxTokens: MAX_TOKENS };
  const holder = await ExpertEngine.load(native, bundled, placement, options);
  afterAll(() => holder[Symbol.dispose]());

  it("for any calls, with room for one expert, some, or all of them (60 cases)", async () => {
    const room = fc.constantFrom(1, 2, 3, 7, layers * experts);
    const series = fc.array(calls, { minLength: 1, maxLength: 6 });
    const property = fc.asyncProperty(room, series, async (experts, drawn) => {
      const memoryBytes = experts * largestLayer;
      using adopted = adopt(bundled, { memoryBytes });
      for (const call of drawn) {
        const [own, expected] = [callFor(call), callFor(call)];
        await adopted.compute(own);
        await holder.compute(expected);
        expect(bitsOf([own.outputs])).toBe(bitsOf([expected.outputs]));
        expect(adopted.bytes).toBeLessThanOrEqual(memoryBytes);
      }
    });
    await fc.assert(property, { seed: 20_260_117, numRuns: 60 });
  });

  it("for calls that overlap", async () => {
    using adopted = adopt(bundled, { memoryBytes: 2 * largestLayer });
    const drawn = [0, 1, 2, 3].map((seed) => ({ layer: seed, kernel: "prefill", tokens: 20, seed }) as const);
    const own = drawn.map(callFor);
    await Promise.all(own.map((call) => adopted.compute(call)));
    for (const [i, call] of drawn.map(callFor).entries()) {
      await holder.compute(call);
      expect(bitsOf([own[i]?.outputs ?? new Float32Array()])).toBe(bitsOf([call.outputs]));
    }
  });
});

it("a generation with every expert adopted is that of the whole model", async () => {
  using whole = await Engine.load(native, bundled, { threads: 2, contextLength: 1024 });
  using bare = await Engine.load(native, bundled, {
    threads: 2,
    contextLength: 1024,
    experts: allExperts(layers, 0),
  });
  using adopted = adopt(bundled, { memoryBytes: 20 * largestLayer, maxTokens: 512 });
  const text = bundledPrompts(native, 8).flat();
  for (const length of [30, 200]) {
    const prompt = text.slice(0, length);
    const expected = await runGeneration(whole, prompt);
    const actual = await runGeneration(bare, prompt, { remote: adopted });
    expect(bitsOf(actual.logits)).toBe(bitsOf(expected.logits));
  }
});

describe("the memory set aside", () => {
  /** A call for these experts of layer 0, one token each. */
  function callOf(...wanted: number[]): RemoteCall {
    const rows = {
      count: wanted.length,
      tokens: Int32Array.from(wanted.keys()),
      experts: Int32Array.from(wanted),
      slots: Int32Array.from(wanted.keys(), (token) => token * k),
    };
    const tokens = wanted.length;
    const [inputs, outputs] = [hidden * tokens, hidden * k * tokens].map((count) => new Float32Array(count));
    const weights = new Float32Array(k * tokens);
    return { layer: 0, kernel: "decode", rows, weights, inputs, outputs } as RemoteCall;
  }

  it("keeps experts until another needs the room; the least recently used one goes", async () => {
    using adopted = adopt(bundled, { memoryBytes: 3 * largestLayer });
    const loadedAfter = async (...experts: number[]): Promise<number> => {
      await adopted.compute(callOf(...experts));
      return adopted.adopted;
    };
    expect(await loadedAfter(1, 2, 3)).toBe(3);
    expect(await loadedAfter(1)).toBe(3);
    expect(await loadedAfter(4)).toBe(4); // in place of 2
    expect(await loadedAfter(1, 3, 4)).toBe(4);
    expect(await loadedAfter(2)).toBe(5); // in place of 1
    expect(await loadedAfter(3, 4)).toBe(5);
    expect(adopted.bytes).toBe(3 * largestLayer);
  });

  it("is used by what is there first, when a call needs more than fits", async () => {
    using adopted = adopt(bundled, { memoryBytes: 2 * largestLayer });
    await adopted.compute(callOf(4, 5));
    await adopted.compute(callOf(1, 2, 4, 5));
    expect(adopted.adopted).toBe(4);
  });

  it("must hold an expert: else the call fails, with both sizes", async () => {
    using adopted = adopt(bundled, { memoryBytes: largestLayer - 1 });
    await expect(adopted.compute(callOf(0))).rejects.toMatchObject({
      code: "EXPERT_MEMORY_TOO_SMALL",
      details: { layer: 0 },
    });
    expect(adopted.bytes).toBe(0);
  });
});

describe("what was taken is given back", () => {
  const held = (counting: ReturnType<typeof countHeld>): unknown[] =>
    Object.entries(counting.held()).filter(([, count]) => count !== 0);

  it("after evictions and all", async () => {
    const counting = countHeld(native);
    {
      using adopted = adopt(bundled, { memoryBytes: 2 * largestLayer }, counting.native);
      for (const layer of [0, 1, 2])
        await adopted.compute(callFor({ layer, kernel: "prefill", tokens: 30, seed: layer }));
      expect(held(counting)).not.toEqual([]);
    }
    expect(held(counting)).toEqual([]);
  });

  it("when the file ends early; the next call is served", async () => {
    const path = join(temporaryFolder(), "model.gguf");
    const file = writeTestModel({ path, quant: "F16" });
    const { hyper: shape, experts: tensors } = readTransformer(file);
    const broken = shape.experts - 1;
    const { down } = tensors.at(-1) as ExpertTensors;
    truncateSync(path, down.slab(broken).offset);
    const counting = countHeld(native);
    {
      using adopted = adopt(file, {}, counting.native);
      const call = (expert: number): RemoteCall => ({
        layer: shape.layers - 1,
        kernel: "decode",
        inputs: new Float32Array(shape.hidden),
        rows: { count: 1, tokens: Int32Array.of(0), experts: Int32Array.of(expert), slots: Int32Array.of(0) },
        weights: new Float32Array(shape.expertsPerToken),
        outputs: new Float32Array(shape.hidden * shape.expertsPerToken),
      });
      await expect(adopted.compute(call(broken))).rejects.toMatchObject({ code: "MODEL_FILE_TRUNCATED" });
      await adopted.compute(call(0));
      expect(adopted.adopted).toBe(1);
    }
    expect(held(counting)).toEqual([]);
  });
});

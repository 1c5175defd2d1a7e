import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { billRequest } from "../ledger/bill.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { functionUsage } from "../ledger/testing/function-usage.ts";
import type { CostProfile } from "./cost-profile.ts";
import { evaluate, splitDevices } from "./evaluate.ts";
import type { Devices, Evaluation } from "./evaluation.ts";
import { CountedLayers } from "./layer-counts.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { RemoteRows } from "./remote-rows.ts";
import { splitReplicas } from "./replicas.ts";
import { tinyPrices, tinyProblem, tinyProfile } from "./testing/tiny-problem.ts";

const DIGITS = 4;

function evaluatePlan(problem: PlanningProblem, layers: readonly LayerPlan[], devices: Devices = "cpu"): Evaluation {
  return evaluate(problem, { plan: { specMain: { memoryMb: 2048 }, layers }, devices });
}

/** Experts 2 and 3 of layer 0. */
function split(...replicas: number[][]): LayerPlan[] {
  return [{ layer: 0, remote: [2, 3], function: "experts-0", memoryMb: 1024, replicas }];
}

/** To the millisecond, and a fee for each call. */
const prices: PriceBook = { ...tinyPrices, rounding: { granularityMs: 1, minimumMs: 0 }, perRequest: 0.1 };
const withFees: PlanningProblem = { ...tinyProblem, prices };

// Worked by hand. Main function: 2 GiB, 2 vCPUs, 4 a second or 0.004 a millisecond. Expert function: 1 GiB, 0.002.
// 1000 tokens, two experts each: 2000 rows a layer. Layer 0: 750, 750, 250, 250; layer 1: 500 each.

describe("an unsplit model", () => {
  // Prefill without experts: 10 + 1000 · 1 = 1010.       Experts of a layer: 4 · 2 + 2000 · 0.5 = 1008.
  // A token without experts: 6.                          Experts of a layer: 0.5 + 2 · 1 = 2.5.
  const evaluation = evaluatePlan(tinyProblem, []);

  it("takes as long as its modules", () => {
    expect(evaluation).toMatchObject({
      prefillMs: 1010 + 2 * 1008,
      tpotMs: 6 + 2 * 2.5,
      decodeMs: 5 * 11,
      coldStartMs: 0,
      ttftMs: 4 + 3026,
      remoteCalls: 0,
      gpuMemoryMb: 0,
      violations: [],
    });
  });

  it("costs the main function's time", () => {
    // 5 + 3026 + 55 = 3086
    expect(evaluation.costs.main).toBeCloseTo(3086 * 0.004, DIGITS);
    expect(evaluation.costs).toMatchObject({ remotePrefill: 0, remoteDecode: 0, coldStart: 0 });
    // Half a millisecond for rounding up, and one call.
    expect(evaluatePlan(withFees, []).cost).toBeCloseTo(3086.5 * 0.004 + 0.1, 10);
  });
});

describe("a split model with one replica", () => {
  // Prefill of layer 0. Local: 2 experts · 2 + 1500 rows · 0.5 = 754. Remote: busy 2 · 4 + 500 · 1 = 508; 1000 tokens are
  // 2 batches; 500 states there, 500 back: 2 · 3 + 1000 · 0.25 + 508 = 764, the slower half.
  // Decode of layer 0. Its sets have 0, 1, 2 remote rows with shares 2/4, 1/4, 1/4.
  //   0 rows: local 0.5 + 2 · 1 = 2.5
  //   1 row:  local 0.5 + 1 = 1.5; remote busy 1 + 2 = 3, with call and wire 3 + 2 · 0.25 + 3 = 6.5
  //   2 rows: remote busy 1 + 2 · 2 = 5, with call and wire 3 + 3 · 0.25 + 5 = 8.75
  //   together 0.5 · 2.5 + 0.25 · 6.5 + 0.25 · 8.75 = 5.0625; calls 0.5; busy 0.25 · 3 + 0.25 · 5 = 2
  const layers = split([2, 3]);
  const evaluation = evaluatePlan(tinyProblem, layers);

  it("waits for the slower half of each layer", () => {
    expect(evaluation.prefillMs).toBeCloseTo(1010 + 764 + 1008, 10);
    expect(evaluation.ttftMs).toBeCloseTo(4 + 2782, 10);
    expect(evaluation.tpotMs).toBeCloseTo(6 + 5.0625 + 2.5, 10);
    expect(evaluation.decodeMs).toBeCloseTo(5 * 13.5625, 10);
    expect(evaluation.remoteCalls).toBeCloseTo(2 + 5 * 0.5, 10);
  });

  it("costs the time of both functions", () => {
    // 5 + 2782 + 67.8125 = 2854.8125
    expect(evaluation.costs.main).toBeCloseTo(2854.8125 * 0.004, DIGITS);
    expect(evaluation.costs.remotePrefill).toBeCloseTo(508 * 0.002, DIGITS);
    expect(evaluation.costs.remoteDecode).toBeCloseTo(5 * 2 * 0.002, DIGITS);
  });

  it("costs fees, and each call rounded up", () => {
    const { costs } = evaluatePlan(withFees, layers);
    expect(costs.main).toBeCloseTo(2855.3125 * 0.004 + 0.1, 10);
    // 2 calls of 254 ms
    expect(costs.remotePrefill).toBeCloseTo(2 * 254.5 * 0.002 + 2 * 0.1, 10);
    // A quarter of the tokens has a call of 3 ms, a quarter one of 5 ms.
    expect(costs.remoteDecode).toBeCloseTo(5 * ((0.25 * 3.5 + 0.25 * 5.5) * 0.002 + 0.5 * 0.1), 10);
  });

  it("costs what the bill says of such usage", () => {
    const usage = [
      functionUsage({ memoryMb: 2048, vcpus: 2, invocations: 1, billedMs: 2854.8125, coldStartMs: 900 }),
      functionUsage({ role: "experts", invocations: 4.5, billedMs: 508 + 10, coldStartMs: 250 }),
    ];
    const book = { ...tinyPrices, perRequest: 0.1 };
    const { cost } = evaluatePlan({ ...tinyProblem, prices: book, isCold: true }, layers);
    expect(cost).toBeCloseTo(billRequest(usage, book).total, DIGITS);
  });
});

describe("a split model with two replicas", () => {
  // Prefill of layer 0: each busy 4 + 250 = 254; 2 · 3 + 500 · 0.25 + 254 = 385. The local half is slower now: 754.
  // Decode of layer 0: one row as before. Two rows meet 2 (1 − 1/4) = 1.5 replicas with 4/3 rows each:
  //   busy 1 + 8/3 = 11/3, with call and wire 3 + 7/3 · 0.25 + 11/3 = 7.25
  //   together 0.5 · 2.5 + 0.25 · 6.5 + 0.25 · 7.25 = 4.6875; calls 0.25 + 0.25 · 1.5 = 0.625
  //   busy 0.25 · 3 + 0.25 · 1.5 · 11/3 = 2.125
  it("shares prefill among them", () => {
    const evaluation = evaluatePlan(tinyProblem, split([2], [3]));
    expect(evaluation.prefillMs).toBeCloseTo(1010 + 754 + 1008, 10);
    expect(evaluation.tpotMs).toBeCloseTo(6 + 4.6875 + 2.5, 10);
    expect(evaluation.remoteCalls).toBeCloseTo(4 + 5 * 0.625, 10);
    expect(evaluation.costs.remotePrefill).toBeCloseTo(2 * 254 * 0.002, DIGITS);
    expect(evaluation.costs.remoteDecode).toBeCloseTo(5 * 2.125 * 0.002, DIGITS);
  });

  it("shares prefill among copies as well, but decode calls only one of them", () => {
    const [copies, halves, one] = [split([2, 3], [2, 3]), split([2], [3]), split([2, 3])].map((layers) =>
      evaluatePlan(tinyProblem, layers),
    );
    expect(copies?.prefillMs).toBe(halves?.prefillMs);
    expect(copies?.tpotMs).toBe(one?.tpotMs);
  });

  it("copies share a prompt's experts longest first", () => {
    const copy = [2, 3, 0];
    const layers = [{ layer: 0, remote: copy, function: "experts-0", memoryMb: 1024, replicas: [copy, copy] }];
    // 750 rows for one, 250 + 250 for the other. The slower: 2 · 3 + 1500 · 0.25 + (4 + 750) = 1135.
    expect(evaluatePlan(tinyProblem, layers).prefillMs).toBeCloseTo(1010 + 1135 + 1008, 10);
  });
});

describe("a cold start", () => {
  const cold = { ...tinyProblem, isCold: true };
  const billed = (parallel: number | null): Evaluation => {
    const coldStart = { ...tinyProfile.coldStart, parallel };
    return evaluatePlan({ ...cold, profile: { ...tinyProfile, coldStart } }, split([2, 3]));
  };

  it("delays the first token by the longest start, and every start is billed", () => {
    // Main function: 100 + 200 + 6 · 100 = 900. Expert function: 50 + 2 · 100 = 250.
    const { coldStartMs, ttftMs, costs } = billed(null);
    expect(coldStartMs).toBe(900);
    expect(ttftMs).toBeCloseTo(4 + 900 + 2782, 10);
    expect(costs.coldStart).toBeCloseTo(900 * 0.004 + 250 * 0.002, DIGITS);
  });

  it("takes longer where starts share a processor, and is billed for longer", () => {
    // Both at half speed until the expert function is there after 500; the main function has 650 left.
    const { coldStartMs, costs } = billed(1);
    expect(coldStartMs).toBe(1150);
    expect(costs.coldStart).toBeCloseTo(1150 * 0.004 + 500 * 0.002, DIGITS);
  });

  it("costs nothing on a platform that does not bill it", () => {
    const free = { ...cold, prices: { ...tinyPrices, coldStart: "free" as const } };
    const evaluation = evaluatePlan(free, split([2, 3]));
    expect(evaluation.coldStartMs).toBe(900);
    expect(evaluation.costs.coldStart).toBe(0);
  });
});

describe("functions that cost something while they are idle", () => {
  // Half of what they cost busy: a function of 1 GiB 0.001 a millisecond.
  const idle = { perGbSecond: 0.5, perVcpuSecond: 0.5, perGpuGbSecond: 4 };
  const held: PlanningProblem = { ...tinyProblem, prices: { ...tinyPrices, idle } };

  it("are paid for as long as the main function works, but for the time of their calls", () => {
    // 5 + 2782 + 67.8125 = 2854.8125, of which calls take 508 + 10.
    const { cost, costs } = evaluatePlan(held, split([2, 3]));
    expect(costs.keepAlive).toBeCloseTo((2854.8125 - 518) * 0.001, DIGITS);
    expect(cost).toBeCloseTo(evaluatePlan(tinyProblem, split([2, 3])).cost + costs.keepAlive, 10);
  });

  it("are each replica", () => {
    // 5 + 2772 + 5 · 13.1875 = 2842.9375 twice, of which calls take 508 + 5 · 2.125.
    expect(evaluatePlan(held, split([2], [3])).costs.keepAlive).toBeCloseTo((2 * 2842.9375 - 518.625) * 0.001, DIGITS);
  });

  it("are one for all layers that share it", () => {
    const [own] = split([2, 3]) as [LayerPlan];
    const layers = (name: string): LayerPlan[] => [own, { ...own, layer: 1, function: name }];
    const [shared, apart] = ["experts-0", "experts-1"].map((name) => evaluatePlan(held, layers(name)));
    const workMs = 5 + (shared?.prefillMs ?? 0) + (shared?.decodeMs ?? 0);
    expect((apart?.costs.keepAlive ?? 0) - (shared?.costs.keepAlive ?? 0)).toBeCloseTo(workMs * 0.001, 10);
  });

  it("are never paid for less than no time, where calls are billed for longer than they take", () => {
    const rounding = { granularityMs: 10_000, minimumMs: 0 };
    expect(evaluatePlan({ ...held, prices: { ...held.prices, rounding } }, split([2, 3])).costs.keepAlive).toBe(0);
  });

  it("wait for the slowest start, and so does the main function", () => {
    // Ready after 250, the main function after 900.
    const cold = evaluatePlan({ ...held, isCold: true }, split([2, 3])).costs.keepAlive;
    expect(cold - evaluatePlan(held, split([2, 3])).costs.keepAlive).toBeCloseTo(650 * 0.001, 10);
    const experts = { fixedMs: 1650, perMb: 1 };
    const profile = { ...tinyProfile, coldStart: { ...tinyProfile.coldStart, experts } };
    const slow = evaluatePlan({ ...held, profile, isCold: true }, split([2, 3])).costs.keepAlive;
    // 1850 − 900 of 2 GiB.
    expect(slow - evaluatePlan(held, split([2, 3])).costs.keepAlive).toBeCloseTo(950 * 0.002, 10);
  });

  it("are none without remote experts", () => {
    expect(evaluatePlan(held, []).costs.keepAlive).toBe(0);
  });

  it("cost what the bill says of such usage", () => {
    const usage = [
      functionUsage({ memoryMb: 2048, vcpus: 2, invocations: 1, billedMs: 2854.8125 }),
      functionUsage({ role: "experts", invocations: 4.5, billedMs: 518, idleMs: 2854.8125 - 518 }),
    ];
    expect(evaluatePlan(held, split([2, 3])).cost).toBeCloseTo(billRequest(usage, held.prices).total, DIGITS);
  });
});

describe("a model with a device", () => {
  const onDevice = {
    ...tinyProfile.cpu,
    decodeToken: { vcpus: [1], ms: [2] },
    prefillPrompt: { vcpus: [1], ms: [5] },
    prefillToken: { vcpus: [1], ms: [0.25] },
  };
  const swap = { fixedMs: 0.5, perHiddenStateMs: 0.25 };
  const profile: CostProfile = { ...tinyProfile, mix: onDevice, gpu: onDevice, split: onDevice, swap };
  const problem = { ...tinyProblem, profile };

  it("moves hidden states to the experts and back in every layer", () => {
    // A token: 2 · (0.5 + 0.25) = 1.5 a layer; the prompt: 2 · (0.5 + 250) = 501.
    const evaluation = evaluatePlan(problem, split([2, 3]), "mix");
    expect(evaluation.prefillMs).toBeCloseTo(5 + 250 + 764 + 1008 + 2 * 501, 10);
    expect(evaluation.tpotMs).toBeCloseTo(2 + 5.0625 + 2.5 + 2 * 1.5, 10);
    // Weights without experts 200 and keys and values 56: a quarter of a GiB at 8 a second is 0.002 a millisecond.
    expect(evaluation.gpuMemoryMb).toBe(256);
    // 5 + 3029 + 5 · 12.5625 = 3096.8125
    expect(evaluation.costs.main).toBeCloseTo(3096.8125 * (0.004 + 0.002), DIGITS);
  });

  it("pays for the device also while the main function starts", () => {
    const { costs } = evaluatePlan({ ...problem, isCold: true }, split([2, 3]), "mix");
    expect(costs.coldStart).toBeCloseTo(900 * (0.004 + 0.002) + 250 * 0.002, DIGITS);
  });

  it("moves nothing where experts are on the device, or come to it for free", () => {
    const [gpu, fetch] = (["gpu", "fetch"] as const).map((devices) => evaluatePlan(problem, [], devices));
    expect(gpu?.tpotMs).toBe(2 + 2 * 2.5);
    expect(fetch?.tpotMs).toBe(gpu?.tpotMs);
    // All 8 experts, or the 2 of each layer that are used.
    expect(gpu?.gpuMemoryMb).toBe(256 + 800);
    expect(fetch?.gpuMemoryMb).toBe(256 + 400);
  });

  it("is split only where its profile was taken", () => {
    expect(splitDevices(profile)).toBe("mix");
    expect(splitDevices(tinyProfile)).toBe("cpu");
    expect(() => evaluatePlan(problem, split([2, 3]), "cpu")).toThrow(RangeError);
    expect(() => evaluatePlan(tinyProblem, split([2, 3]), "mix")).toThrow(RangeError);
    expect(() => evaluatePlan(tinyProblem, [], "gpu")).toThrow(RangeError);
  });
});

describe("objectives", () => {
  const violations = (slo: PlanningProblem["slo"], margin = { ttft: 1, tpot: 1 }) =>
    evaluatePlan({ ...tinyProblem, slo, margin: { ...tinyProblem.margin, unsplit: margin } }, []).violations;

  it("are met up to the limit", () => {
    expect(violations({ ttftMs: 3030, tpotMs: 11 })).toEqual([]);
  });

  it("are missed beyond it, each on its own", () => {
    expect(violations({ ttftMs: 3029, tpotMs: null })).toEqual([
      { objective: "ttft", limitMs: 3029, expectedMs: 3030 },
    ]);
    expect(violations({ ttftMs: null, tpotMs: 10 })).toEqual([{ objective: "tpot", limitMs: 10, expectedMs: 11 }]);
  });

  it("are held against predictions with margin", () => {
    expect(violations({ ttftMs: 3030, tpotMs: 11 }, { ttft: 1, tpot: 2 })).toEqual([
      { objective: "tpot", limitMs: 11, expectedMs: 22 },
    ]);
    expect(violations({ ttftMs: 3030, tpotMs: 11 }, { ttft: 2, tpot: 1 })).toEqual([
      { objective: "ttft", limitMs: 3030, expectedMs: 6060 },
    ]);
  });
});

describe("the margin", () => {
  it("is that of the plan's own kind", () => {
    const margin = { unsplit: { ttft: 1, tpot: 3 }, split: { ttft: 2, tpot: 1 } };
    const strict = { ...tinyProblem, slo: { ttftMs: 1, tpotMs: 1 }, margin };
    const ratios = (layers: readonly LayerPlan[]): number[] => {
      const evaluation = evaluatePlan(strict, layers);
      return evaluation.violations.map(({ objective, expectedMs }) => expectedMs / evaluation[`${objective}Ms`]);
    };
    expect(ratios([])).toEqual([1, 3]);
    expect(ratios(split([2, 3]))).toEqual([2, 1]);
  });
});

describe("the ends of the range", () => {
  const ofWorkload = (promptTokens: number, outputTokens: number): Evaluation =>
    evaluatePlan({ ...tinyProblem, workload: { promptTokens, outputTokens } }, split([2, 3]));

  it("without output there is no time by token, and no decode to pay", () => {
    expect(ofWorkload(1000, 0)).toMatchObject({ tpotMs: 0, decodeMs: 0, costs: { remoteDecode: 0 }, remoteCalls: 2 });
  });

  it("without a prompt nothing is called in prefill", () => {
    expect(ofWorkload(0, 5)).toMatchObject({ prefillMs: 10, costs: { remotePrefill: 0 } });
  });

  it("with every expert remote nothing is computed locally", () => {
    const layers = [0, 1].map((layer) => ({
      layer,
      remote: [0, 1, 2, 3],
      function: "experts",
      memoryMb: 1024,
      replicas: [[0, 1, 2, 3]],
    }));
    // Two rows in a call, see above.
    expect(evaluatePlan(tinyProblem, layers).tpotMs).toBeCloseTo(6 + 2 * 8.75, 10);
  });

  it("needs sets of split layers only", () => {
    const unknown = { experts: new Uint16Array(), weights: new Float64Array() };
    const without = (layer: number): PlanningProblem => ({
      ...tinyProblem,
      demand: { ...tinyProblem.demand, sets: tinyProblem.demand.sets.with(layer, unknown) },
    });
    expect(evaluatePlan(without(1), split([2, 3]))).toEqual(evaluatePlan(tinyProblem, split([2, 3])));
    expect(() => evaluatePlan(without(0), split([2, 3]))).toThrow(RangeError);
  });
});

interface Instance {
  readonly problem: PlanningProblem;
  readonly plan: Plan;
}

/** The first `count` of some numbers in a random order. */
function draw(numbers: readonly number[], count: number, random: () => number): number[] {
  const keys = numbers.map(random);
  const order = [...numbers.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number));
  return order.slice(0, count).map((index) => numbers[index] as number);
}

/** A model of three layers, what a request asks of it, and a plan that may split some of its layers. */
const instances: fc.Arbitrary<Instance> = fc
  .record({
    seed: fc.nat(10_000),
    promptTokens: fc.nat(600),
    outputTokens: fc.nat(200),
    isCold: fc.boolean(),
    parallel: fc.constantFrom(null, 1, 2),
    book: fc.constantFrom(tinyPrices, prices, { ...tinyPrices, rounding: { granularityMs: 100, minimumMs: 100 } }),
    mainMb: fc.constantFrom(512, 1024, 1536, 2048, 4096),
  })
  .map(({ seed, promptTokens, outputTokens, isCold, parallel, book, mainMb }) => {
    const random = createRandom(seed);
    const [layers, experts, expertsPerToken] = [3, 8, 3];
    const everyone = Array.from({ length: experts }, (_, expert) => expert);
    const rows = Array.from({ length: layers }, () => {
      const counts = everyone.map(() => random() ** 2);
      const total = counts.reduce((a, b) => a + b);
      return counts.map((count) => count / total);
    });
    const sets = rows.map(() => ({
      experts: Uint16Array.from(Array.from({ length: 20 }, () => draw(everyone, expertsPerToken, random)).flat()),
      weights: Float64Array.from({ length: 20 }, random),
    }));
    const planned = rows.map((_, layer): LayerPlan => {
      const remote = draw(everyone, Math.floor(random() * (experts + 1)), random);
      const loads = remote.map((expert) => ({ expert, load: random() }));
      const replicas = splitReplicas(loads, 1 + Math.floor(random() * 3));
      return { layer, remote, function: `experts-${layer}`, memoryMb: 512 + 512 * Math.floor(random() * 4), replicas };
    });
    const problem: PlanningProblem = {
      ...tinyProblem,
      sizes: { ...tinyProblem.sizes, layers, experts, expertsPerToken, expertMb: [100, 80, 60] },
      profile: { ...tinyProfile, coldStart: { ...tinyProfile.coldStart, parallel } },
      prices: book,
      workload: { promptTokens, outputTokens },
      demand: { matrix: Float32Array.from(rows.flat()), sets },
      isCold,
    };
    return { problem, plan: { specMain: { memoryMb: mainMb }, layers: planned } };
  });

function evaluateInstance({ problem, plan }: Instance): Evaluation {
  return evaluate(problem, { plan, devices: "cpu" });
}

function times({ prefillMs, decodeMs, coldStartMs, ttftMs, tpotMs }: Evaluation): number[] {
  return [prefillMs, decodeMs, coldStartMs, ttftMs, tpotMs];
}

/** Sums are added in another order. */
function expectSame(actual: Evaluation, expected: Evaluation): void {
  const numbers = (each: Evaluation): number[] => [...times(each), each.cost, each.remoteCalls];
  for (const [i, value] of numbers(expected).entries()) {
    expect(Math.abs((numbers(actual)[i] as number) - value)).toBeLessThanOrEqual(1e-9 * (1 + value));
  }
}

function expectNoneLonger(actual: Evaluation, than: Evaluation): void {
  for (const [i, ms] of times(actual).entries()) expect(ms).toBeLessThanOrEqual((times(than)[i] as number) + 1e-9);
}

/** A price a second of each GiB and virtual processor. */
function withIdle({ prices: book, ...problem }: PlanningProblem, price: number): PlanningProblem {
  return { ...problem, prices: { ...book, idle: { perGbSecond: price, perVcpuSecond: price, perGpuGbSecond: price } } };
}

/** Holds for 200 instances, always the same. */
function always(seed: number, check: (instance: Instance) => void): void {
  fc.assert(fc.property(instances, check), { seed, numRuns: 200 });
}

function withLayers({ problem, plan }: Instance, of: (layer: LayerPlan) => LayerPlan): Instance {
  return { problem, plan: { ...plan, layers: plan.layers.map(of) } };
}

describe("every evaluation", () => {
  it("is made of finite numbers, and its cost of its parts", () => {
    always(1, (instance) => {
      const evaluation = evaluateInstance(instance);
      const { main, remotePrefill, remoteDecode, coldStart, keepAlive } = evaluation.costs;
      const parts = [main, remotePrefill, remoteDecode, coldStart, keepAlive];
      for (const value of [...times(evaluation), ...parts, evaluation.remoteCalls]) {
        expect(Number.isFinite(value)).toBe(true);
        expect(value).toBeGreaterThanOrEqual(0);
      }
      expect(evaluation.cost).toBe(main + remotePrefill + remoteDecode + coldStart + keepAlive);
    });
  });

  it("predicts nothing slower with more main memory", () => {
    always(2, ({ problem, plan }) => {
      const larger = { ...plan, specMain: { memoryMb: plan.specMain.memoryMb + 512 } };
      expectNoneLonger(evaluateInstance({ problem, plan: larger }), evaluateInstance({ problem, plan }));
    });
  });

  it("predicts nothing slower with more expert memory", () => {
    always(3, (instance) => {
      const larger = withLayers(instance, (layer) => ({ ...layer, memoryMb: layer.memoryMb + 512 }));
      expectNoneLonger(evaluateInstance(larger), evaluateInstance(instance));
    });
  });

  it("is the unsplit one where layers are planned but nothing is moved", () => {
    always(4, (instance) => {
      const unmoved = withLayers(instance, (layer) => ({ ...layer, remote: [], replicas: [[]] }));
      const unsplit = { ...instance, plan: { ...instance.plan, layers: [] } };
      expect(evaluateInstance(unmoved)).toEqual(evaluateInstance(unsplit));
    });
  });

  it("costs k times as much with prices times k", () => {
    always(5, ({ problem, plan }) => {
      const { unit } = problem.prices;
      const dearer = { ...problem.prices, unit: { ...unit, price: unit.price * 3 } };
      const [one, three] = [problem, { ...problem, prices: dearer }].map((each) =>
        evaluateInstance({ problem: each, plan }),
      );
      if (one === undefined || three === undefined) throw new Error("two problems have two evaluations");
      expect(three.cost / one.cost).toBeCloseTo(3, 10);
      expect(times(three)).toEqual(times(one));
    });
  });

  it("differs by what is idle alone where idle time costs something, k times as much at k times the price", () => {
    always(12, ({ problem, plan }) => {
      const at = (price: number): Evaluation => evaluateInstance({ problem: withIdle(problem, price), plan });
      const [free, once, thrice] = [at(0), at(0.25), at(0.75)];
      expect(free.costs.keepAlive).toBe(0);
      expect(once.cost).toBe(free.cost + once.costs.keepAlive);
      expect(thrice.costs.keepAlive).toBeCloseTo(3 * once.costs.keepAlive, 10);
      expect(times(once)).toEqual(times(free));
    });
  });

  it("costs as much as functions that are busy all the time where idle time is no cheaper", () => {
    always(13, ({ problem, plan }) => {
      const exact = { ...problem, prices: tinyPrices, isCold: false };
      const { cost, prefillMs, decodeMs, costs } = evaluateInstance({ problem: withIdle(exact, 1), plan });
      const workMs = exact.profile.overhead.mainMs + prefillMs + decodeMs;
      const held = plan.layers.filter(({ remote }) => remote.length > 0);
      const heldMb = held.reduce((sum, { memoryMb, replicas }) => sum + replicas.length * memoryMb, 0);
      expect(cost).toBeCloseTo(costs.main + (2 * heldMb * workMs) / 1024 / 1000, DIGITS);
    });
  });

  it("does not depend on which expert has which number", () => {
    always(6, (instance) => {
      const { problem, plan } = instance;
      const { experts } = problem.sizes;
      const renamed = draw(
        Array.from({ length: experts }, (_, expert) => expert),
        experts,
        createRandom(6),
      );
      const rename = (expert: number): number => renamed[expert] as number;
      const matrix = new Float32Array(problem.demand.matrix.length);
      for (const [i, share] of problem.demand.matrix.entries()) matrix[i - (i % experts) + rename(i % experts)] = share;
      const sets = problem.demand.sets.map((each) => ({ ...each, experts: each.experts.map(rename) }));
      const permuted = withLayers({ problem: { ...problem, demand: { matrix, sets } }, plan }, (layer) => ({
        ...layer,
        remote: layer.remote.map(rename),
        replicas: layer.replicas.map((replica) => replica.map(rename)),
      }));
      expectSame(evaluateInstance(permuted), evaluateInstance(instance));
    });
  });

  it("never becomes cheaper or faster with a longer output or prompt", () => {
    always(7, (instance) => {
      const { promptTokens, outputTokens } = instance.problem.workload;
      const now = evaluateInstance(instance);
      for (const workload of [
        { promptTokens, outputTokens: outputTokens + 1 },
        { promptTokens: promptTokens + 1, outputTokens },
      ]) {
        const longer = evaluateInstance({ ...instance, problem: { ...instance.problem, workload } });
        expect(longer.cost).toBeGreaterThanOrEqual(now.cost);
        expectNoneLonger(now, longer);
      }
    });
  });

  it("does not depend on specs nobody uses", () => {
    always(8, ({ problem, plan }) => {
      const specs = { ...problem.specs, main: [...problem.specs.main, 99_999], experts: [1, ...problem.specs.experts] };
      expect(evaluateInstance({ problem: { ...problem, specs }, plan })).toEqual(evaluateInstance({ problem, plan }));
    });
  });

  it("does not depend on the order of layers, or on the names of their functions", () => {
    always(9, (instance) => {
      const renamed = withLayers(instance, (layer) => ({ ...layer, function: `f${layer.layer}` }));
      const reversed = { ...renamed, plan: { ...renamed.plan, layers: renamed.plan.layers.toReversed() } };
      expectSame(evaluateInstance(reversed), evaluateInstance(instance));
    });
  });

  it("is the same with shares that were counted before", () => {
    always(10, ({ problem, plan }) => {
      const { experts, expertsPerToken } = problem.sizes;
      const everyone = Array.from({ length: experts }, (_, expert) => expert);
      const known = plan.layers.map(({ remote }, layer) => {
        const sets = problem.demand.sets[layer];
        if (sets === undefined) throw new Error(`layer ${layer} has no sets`);
        const order = [...remote, ...everyone.filter((expert) => !remote.includes(expert))];
        return new RemoteRows(sets, order, expertsPerToken);
      });
      const shares = (layer: number, remote: readonly number[]): Float64Array =>
        known[layer]?.shares(remote.length) ?? new Float64Array();
      const placement = { plan, devices: "cpu" as const };
      const counts = new CountedLayers(problem, shares);
      expectSame(evaluate(problem, placement, counts), evaluate(problem, placement));
    });
  });

  it("is what the bill says of the usage it predicts", () => {
    always(11, ({ problem, plan }) => {
      const { memoryMb } = plan.specMain;
      const warm = { ...problem, prices: tinyPrices, isCold: false };
      const { prefillMs, decodeMs, remoteCalls, costs } = evaluateInstance({ problem: warm, plan });
      const billedMs = warm.profile.overhead.mainMs + prefillMs + decodeMs;
      const main = functionUsage({ memoryMb, vcpus: memoryMb / 1024, invocations: 1, billedMs });
      expect(costs.main).toBeCloseTo(billRequest([main], tinyPrices).total, DIGITS);

      // Where time is free and a call costs 1, calls are what is paid.
      const fees = { ...tinyPrices, perRequest: 1, busy: tinyPrices.idle };
      const calls = functionUsage({ invocations: 1 + remoteCalls });
      const { cost } = evaluateInstance({ problem: { ...warm, prices: fees }, plan });
      expect(cost).toBeCloseTo(billRequest([calls], fees).total, DIGITS);
    });
  });
});

import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { leastStartMs } from "../planner/cold-starts.ts";
import { evaluate } from "../planner/evaluate.ts";
import type { Plan } from "../planner/plan.ts";
import { bothKinds } from "../planner/plan-kind.ts";
import type { Planner } from "../planner/planner.ts";
import type { PlanningProblem, Slo } from "../planner/problem.ts";
import { timeAt } from "../planner/speed-curve.ts";
import { tinyProblem, tinyProfile } from "../planner/testing/tiny-problem.ts";
import type { Example } from "../predictor/example.ts";
import type { Expectation } from "./learning.ts";
import type { PlanQuery } from "./plan-choice.ts";
import { RequestPlanning } from "./request-planning.ts";
import type { RequestTrace } from "./trace.ts";

const unsplit = (memoryMb: number): Plan => ({ specMain: { memoryMb }, layers: [] });
const SMALL = unsplit(1024);
const LARGE = unsplit(2048);
const NO_SLO: Slo = { ttftMs: null, tpotMs: null };
const QUERY: PlanQuery = { promptTokens: 10, maxTokens: 6, expectation: null };
const FREE_STARTS = { ...tinyProblem.prices, coldStart: "free" } as const;

interface TestOptions {
  /** What the planner finds, in this order. */
  readonly plans?: readonly Plan[];
  /** Plans whose functions run. */
  readonly warm?: readonly Plan[];
  readonly slo?: Slo;
  readonly policy?: "strict" | "best-effort";
  readonly reuse?: boolean;
  readonly prices?: PlanningProblem["prices"];
  readonly profile?: PlanningProblem["profile"];
  /** Milliseconds after the request began, and how long a plan takes to be made. */
  readonly now?: number;
  readonly planMs?: number;
  /** Pauses of planning that a start lasts. */
  readonly startPauses?: number;
}

function createTestPlanning(options: TestOptions = {}) {
  const { plans = [SMALL], warm = [], slo = NO_SLO, policy = "strict", reuse = true } = options;
  const problems: PlanningProblem[] = [];
  const started: Plan[] = [];
  const wanted: Plan[] = [];
  const background = { isUnderWay: false, want: (plan: Plan) => void wanted.push(plan) };
  let pauses = 0;
  let now = options.now ?? 0;
  const planner: Planner = {
    name: "scripted",
    *plan(problem) {
      problems.push(problem);
      now += options.planMs ?? 1;
      yield;
      const plan = plans[Math.min(problems.length, plans.length) - 1] as Plan;
      const placement = { plan, devices: "cpu" } as const;
      const evaluation = evaluate(problem, placement);
      return { placement, evaluation, feasible: evaluation.violations.length === 0 };
    },
  };
  const planning = new RequestPlanning({
    base: {
      ...tinyProblem,
      slo,
      prices: options.prices ?? tinyProblem.prices,
      profile: options.profile ?? tinyProfile,
    },
    planner,
    deployments: {
      known: (plan) => plan,
      isWarm: (plan) => warm.includes(plan),
      warmPlans: () => warm,
      start: async (plan) => {
        const end = pauses + (options.startPauses ?? 0);
        while (pauses < end) await new Promise(setImmediate);
        started.push(plan);
      },
    },
    backgroundStarts: background,
    policy,
    reuse,
    pause: async () => {
      pauses++;
    },
    clock: () => now,
    signal: new AbortController().signal,
  });
  return { planning, problems, started, wanted, warm, background, pauses: () => pauses, now: () => now };
}

interface Serving {
  /** Measured / as the profile says; of the time to the first token as the client sees it, when its prefill is right. */
  readonly slower?: { readonly prefill?: number; readonly ttft?: number; readonly decode?: number };
  readonly query?: PlanQuery;
  readonly trace?: Partial<RequestTrace>;
}

const CANCELLED = {
  timings: { prefillMs: 0, decodeMs: 0 },
  completionTokens: 0,
  finishReason: "cancelled",
  faults: { lostReplicas: 0, mainRestarts: 0 },
  bill: { items: [] },
} as unknown as RequestTrace;

/** Serves a request as long as its plan takes by the profile, or so many times as long, with functions that are warm. */
async function serve(planning: RequestPlanning, { slower = {}, query = QUERY, trace = {} }: Serving = {}) {
  const choice = await planning.choose(query, 0);
  const problem = { ...planning.problemOf(query), profile: tinyProfile, isCold: false };
  const { prefillMs, ttftMs, tpotMs } = evaluate(problem, { plan: choice.plan, devices: "cpu" });
  const { prefill = 1, ttft = prefill, decode = 1 } = slower;
  const times = { prefillMs: prefill * prefillMs, ttftMs: ttft * ttftMs + 5, tpotMs: decode * tpotMs };
  planning.observe(choice, {
    timings: { queueMs: 5, predictMs: 0, planMs: 0, ...times },
    completionTokens: 100,
    finishReason: "length",
    faults: { lostReplicas: 0, mainRestarts: 0 },
    bill: { items: [] },
    ...trace,
  } as unknown as RequestTrace);
  return choice;
}

/** The first request warms its functions up. */
async function serveMany(planning: RequestPlanning, count: number, serving: Serving = {}): Promise<void> {
  for (let i = 0; i < 1 + count; i++) await serve(planning, serving);
}

/** Of a request that is like one which decoded so many tokens. */
function expectationOf(group: number, decoded: number): Expectation {
  const pairs = decoded * tinyProblem.sizes.expertsPerToken;
  const counts = Uint32Array.of(pairs, 0, 0, 0, pairs, 0, 0, 0);
  const sample = { tokens: Uint32Array.of(1), experts: Uint16Array.of(0, 1, 2, 3) };
  const example = { decode: counts, decodeSample: sample, prefillSample: sample } as unknown as Example;
  return {
    requestId: "r",
    tokens: [1],
    vector: new Float32Array(1),
    forecast: { matrix: tinyProblem.demand.matrix, source: "prompt" },
    similar: [{ example, weight: 1 }],
    group,
  };
}

describe("planning a request", () => {
  it("lets streams have their turn between the planner's steps", async () => {
    const { planning, pauses } = createTestPlanning();
    expect(await planning.choose(QUERY, 0)).toMatchObject({ plan: SMALL, reasons: { source: "new", feasible: true } });
    expect(pauses()).toBe(1);
  });

  it("does not pause between steps too short for streams to notice", async () => {
    const { planning, pauses } = createTestPlanning({ planMs: 0.1 });
    await planning.choose(QUERY, 0);
    expect(pauses()).toBe(0);
  });

  it("expects an answer as long as those of similar requests, within what was asked for", async () => {
    const { planning, problems } = createTestPlanning();
    await planning.choose({ ...QUERY, maxTokens: 500, expectation: expectationOf(1, 40) }, 0);
    await planning.choose({ ...QUERY, maxTokens: 21, expectation: expectationOf(2, 40) }, 0);
    await planning.choose({ ...QUERY, maxTokens: 500 }, 0);
    expect(problems.map(({ workload }) => workload.outputTokens)).toEqual([40, 20, 256]);
  });

  it("plans once for requests that are alike", async () => {
    const { planning, problems } = createTestPlanning();
    const first = { ...QUERY, expectation: expectationOf(1, 5) };
    await planning.choose(first, 0);
    expect((await planning.choose(first, 0)).reasons?.source).toBe("cached");
    await planning.choose({ ...QUERY, expectation: expectationOf(2, 5) }, 0);
    expect(problems).toHaveLength(2);
  });

  it("plans anew after a hundred requests, sooner if the plan misses an objective", async () => {
    const planned = async (slo: Slo): Promise<number> => {
      const { planning, problems } = createTestPlanning({ slo, policy: "best-effort", reuse: false });
      for (let i = 0; i < 100; i++) await planning.choose(QUERY, 0);
      return problems.length;
    };
    expect(await planned(NO_SLO)).toBe(1);
    expect(await planned({ ttftMs: null, tpotMs: 1 })).toBe(10);
  });

  it("plans anew when tokens turn out slower and the plan would miss its objective", async () => {
    const { planning, problems } = createTestPlanning({
      slo: { ttftMs: null, tpotMs: 25 },
      policy: "best-effort",
      reuse: false,
    });
    const slow = { slower: { decode: 2 } };
    // One slow request may have been disturbed; two have not.
    await serveMany(planning, 2, slow);
    expect(problems).toHaveLength(1);
    await serve(planning, slow);
    expect(problems).toHaveLength(2);
  });

  it("draws only once what requests activate of which nothing is known", () => {
    const { planning } = createTestPlanning({ slo: NO_SLO });
    const other = { ...QUERY, promptTokens: QUERY.promptTokens + 1 };
    expect(planning.problemOf(other).demand).toBe(planning.problemOf(QUERY).demand);
  });

  it("leaves room for margins to grow, where a plan can", async () => {
    const profile = { ...tinyProfile, spread: bothKinds({ ttft: 1, tpot: 1.2 }) };
    const margins = async (tpotMs: number): Promise<number[]> => {
      const { planning, problems } = createTestPlanning({ slo: { ttftMs: null, tpotMs }, profile });
      const { tpotMs: predictedMs } = evaluate(planning.problemOf(QUERY), { plan: SMALL, devices: "cpu" });
      expect(tpotMs).toBeGreaterThan(1.2 * predictedMs);
      await planning.choose(QUERY, 0);
      return problems.map(({ margin }) => margin.unsplit.tpot);
    };
    expect(await margins(100)).toEqual([1.2 ** 1.5]);
    expect(await margins(25)).toEqual([1.2 ** 1.5, 1.2]);
  });

  it("takes what runs where the first token cannot wait for a plan, which is made when the request has ended", async () => {
    const other = { ...QUERY, expectation: expectationOf(1, 20) };
    const asked = { ...createTestPlanning().planning.problemOf(other), isCold: false };
    const { ttftMs } = evaluate(asked, { plan: SMALL, devices: "cpu" });
    /** Candidates of a request without a plan of its own, and of the next one like it. */
    const weighed = async (spareMs: number, policy: "strict" | "best-effort" = "best-effort") => {
      const slo = { ttftMs: ttftMs + spareMs, tpotMs: null };
      const options = { slo, planMs: 40, plans: [SMALL, LARGE], warm: [SMALL], policy };
      const { planning, problems, now } = createTestPlanning(options);
      await planning.start(QUERY);
      const before = problems.length;
      const first = await planning.choose(other, now());
      await new Promise(setImmediate);
      const candidates = first.reasons?.candidates.length ?? 0;
      expect(problems.length > before).toBe(candidates === 2);
      planning.observe(first, CANCELLED);
      await new Promise(setImmediate);
      const next = await planning.choose(other, now());
      return [candidates, next.reasons?.candidates.length];
    };
    expect(await weighed(500)).toEqual([2, 2]);
    expect(await weighed(20)).toEqual([1, 2]);
    expect(await weighed(20, "strict")).toEqual([1, 2]);
    // It is late in any case, later with a plan of its own; but who insists on objectives is told what the best plan takes.
    expect(await weighed(-1)).toEqual([1, 2]);
    await expect(weighed(-1, "strict")).rejects.toThrow(/no plan keeps/);
  });

  it("plans once for requests that are alike and come at the same time", async () => {
    const { planning, problems } = createTestPlanning();
    const choices = await Promise.all([planning.choose(QUERY, 0), planning.choose(QUERY, 0)]);
    expect(choices.map(({ plan }) => plan)).toEqual([SMALL, SMALL]);
    expect(problems).toHaveLength(1);
  });

  it("counts what went by until then as time to the first token", async () => {
    const [at0, at7] = [createTestPlanning(), createTestPlanning({ now: 7 })];
    const early = await at0.planning.choose(QUERY, 0);
    const late = await at7.planning.choose(QUERY, 0);
    const ttftMs = early.reasons?.predicted.ttftMs ?? 0;
    expect(late.reasons?.predicted.ttftMs).toBeCloseTo(ttftMs + 7, 9);
  });
});

describe("choosing between a plan of its own and running functions", () => {
  it("takes running functions that meet the objectives for less than a start, and says what both cost", async () => {
    const { planning } = createTestPlanning({ plans: [SMALL], warm: [LARGE] });
    const { plan, reasons } = await planning.choose(QUERY, 0);
    expect(plan).toBe(LARGE);
    expect(reasons).toMatchObject({
      source: "warm",
      candidates: [
        { source: "new", isWarm: false, mainMb: 1024, feasible: true },
        { source: "warm", isWarm: true, mainMb: 2048, feasible: true },
      ],
    });
    const [own, running] = reasons?.candidates ?? [];
    expect(own?.cost).toBeGreaterThan(running?.cost ?? Number.POSITIVE_INFINITY);
  });

  it("starts its own where that costs less", async () => {
    const huge = unsplit(65_536);
    const { planning } = createTestPlanning({ warm: [huge], prices: FREE_STARTS });
    expect((await planning.choose(QUERY, 0)).plan).toBe(SMALL);
  });

  it("starts its own where running functions miss an objective", async () => {
    const slo = { ttftMs: null, tpotMs: 12 };
    const { planning } = createTestPlanning({ plans: [LARGE], warm: [SMALL], slo });
    expect(await planning.choose(QUERY, 0)).toMatchObject({ plan: LARGE, reasons: { feasible: true } });
  });

  it("starts its own in the background once staying has cost as much as the start", async () => {
    const { planning, wanted } = createTestPlanning({ plans: [SMALL], warm: [unsplit(8192)] });
    const overpaid: number[] = [];
    while (wanted.length === 0 && overpaid.length < 100) {
      const { reasons } = await planning.choose(QUERY, 0);
      const [own, running] = reasons?.candidates ?? [];
      const atStart = evaluate({ ...planning.problemOf(QUERY), isCold: false }, { plan: SMALL, devices: "cpu" });
      overpaid.push((running?.cost ?? 0) - atStart.cost);
      const startCost = (own?.cost ?? 0) - atStart.cost;
      const total = overpaid.reduce((a, b) => a + b, 0);
      expect(wanted.length > 0).toBe(total >= startCost);
    }
    expect(wanted).toEqual([SMALL]);
    expect(overpaid.length).toBeGreaterThan(1);
  });
});

describe("running functions that miss an objective", () => {
  it("serve until better ones are there, where a start would miss another", async () => {
    // At the start LARGE takes more than 900 ms to the first token, running it keeps both.
    const slo = { ttftMs: 900, tpotMs: 12 };
    const { planning, wanted } = createTestPlanning({ plans: [LARGE], warm: [SMALL], slo, policy: "best-effort" });
    const { reasons } = await planning.choose(QUERY, 0);
    expect(reasons?.candidates.map(({ feasible }) => feasible)).toEqual([false, false]);
    expect(wanted).toEqual(reasons?.source === "warm" ? [LARGE] : []);
  });
});

describe("functions that served last", () => {
  const MARGIN = 1.3;
  const profile = { ...tinyProfile, spread: bothKinds({ ttft: MARGIN, tpot: MARGIN }) };
  const costOf = (plan: Plan): number => {
    const workload = { promptTokens: QUERY.promptTokens, outputTokens: QUERY.maxTokens - 1 };
    return evaluate({ ...tinyProblem, profile, workload }, { plan, devices: "cpu" }).cost;
  };
  // Beyond four processors nothing gets faster: more memory only costs more.
  const [CHEAP, DEARER, DEAREST] = [unsplit(4096), unsplit(4608), unsplit(6144)] as const;

  it("serve on while another plan's gain is within what its prediction is unsure of", async () => {
    expect(costOf(DEARER)).toBeLessThan(MARGIN * costOf(CHEAP));
    const { planning, wanted } = createTestPlanning({ plans: [DEARER, CHEAP], warm: [DEARER, CHEAP], profile });
    await planning.start({ ...QUERY, promptTokens: 1 });
    for (let i = 0; i < 50; i++) expect((await planning.choose(QUERY, 0)).plan).toBe(DEARER);
    expect(wanted).toEqual([]);
  });

  it("make way for a gain beyond it", async () => {
    expect(costOf(DEAREST)).toBeGreaterThan(MARGIN * costOf(CHEAP));
    const { planning } = createTestPlanning({ plans: [DEAREST, CHEAP], warm: [DEAREST, CHEAP], profile });
    await planning.start({ ...QUERY, promptTokens: 1 });
    expect((await planning.choose(QUERY, 0)).plan).toBe(CHEAP);
  });

  it("make way at once where they miss an objective", async () => {
    const slo = { ttftMs: null, tpotMs: MARGIN * 12 };
    const { planning } = createTestPlanning({
      plans: [SMALL, LARGE],
      warm: [SMALL, LARGE],
      slo,
      profile,
      policy: "best-effort",
    });
    await planning.start({ ...QUERY, promptTokens: 1 });
    expect((await planning.choose(QUERY, 0)).plan).toBe(LARGE);
  });

  it("are not replaced by a start for a gain that is not certain", async () => {
    const { planning, wanted } = createTestPlanning({ plans: [CHEAP], warm: [DEARER], profile, prices: FREE_STARTS });
    await planning.choose(QUERY, 0);
    for (let i = 0; i < 50; i++) await planning.choose(QUERY, 0);
    expect(wanted).toEqual([]);
  });
});

describe("objectives that cannot be met", () => {
  const slo = { ttftMs: null, tpotMs: 1 };

  it("fail the request by name if the policy is strict", async () => {
    const { planning } = createTestPlanning({ slo });
    const error = await planning.choose(QUERY, 0).catch((thrown: unknown) => thrown);
    expect(isRemoeError(error) && error.code).toBe("PLAN_INFEASIBLE");
    expect((error as Error).message).toContain("time per output token");
  });

  it("get the plan that misses them least if it is not", async () => {
    const { planning } = createTestPlanning({ slo, policy: "best-effort", warm: [LARGE] });
    const { plan, reasons } = await planning.choose(QUERY, 0);
    expect(plan).toBe(LARGE);
    expect(reasons).toMatchObject({ feasible: false, violations: [{ objective: "tpot", limitMs: 1 }] });
  });

  it("by a cold start alone do not spoil the plan for later requests", async () => {
    const { planning, problems } = createTestPlanning({ slo: { ttftMs: 800, tpotMs: null }, policy: "best-effort" });
    await planning.choose(QUERY, 0);
    expect(problems.map(({ isCold }) => isCold)).toEqual([false, true]);
  });

  it("with running functions are not planned for with a start, which takes longer", async () => {
    const ttftMs = 2 * leastStartMs(tinyProblem);
    const { planning, problems } = createTestPlanning({ slo: { ttftMs, tpotMs: 1 }, policy: "best-effort" });
    await planning.choose(QUERY, 0);
    expect(problems.every(({ isCold }) => !isCold)).toBe(true);
  });

  it("by any cold start are not planned for", async () => {
    const ttftMs = leastStartMs(tinyProblem);
    const { planning, problems } = createTestPlanning({ slo: { ttftMs, tpotMs: null }, policy: "best-effort" });
    await planning.choose(QUERY, 0);
    expect(problems.map(({ isCold }) => isCold)).toEqual([false]);
  });
});

describe("predictions", () => {
  it("have a margin for what they are unsure of", async () => {
    const { planning } = createTestPlanning();
    for (let i = 0; i < 10; i++) {
      await serveMany(planning, 2);
      await serve(planning, { slower: { ttft: 2 } });
    }
    const { unsplit: margin } = planning.problemOf(QUERY).margin;
    expect(margin.ttft).toBeCloseTo(2, 6);
    expect(margin.tpot).toBeCloseTo(1, 6);
  });

  it("become right where they are always wrong, and need no margin for it", async () => {
    const { planning } = createTestPlanning();
    const placement = { plan: SMALL, devices: "cpu" } as const;
    const plain = evaluate(planning.problemOf(QUERY), placement);
    await serveMany(planning, 30, { slower: { prefill: 2, decode: 3 } });
    const problem = planning.problemOf(QUERY);
    expect(evaluate(problem, placement).prefillMs).toBeCloseTo(2 * plain.prefillMs, 6);
    expect(evaluate(problem, placement).tpotMs).toBeCloseTo(3 * plain.tpotMs, 6);
    expect(problem.margin.unsplit.tpot).toBeCloseTo(1, 6);
  });

  it("of split plans are as wrong as those of unsplit ones until one has run", async () => {
    const { planning } = createTestPlanning();
    await serveMany(planning, 30, { slower: { decode: 3 } });
    const { profile, margin } = planning.problemOf(QUERY);
    expect(timeAt(profile.split.decodeToken, 1)).toBeCloseTo(3 * timeAt(tinyProfile.split.decodeToken, 1), 9);
    expect(margin.split).toEqual(tinyProfile.spread.split);
  });

  const slow = { slower: { prefill: 9, decode: 9 } };
  it.each<[string, Partial<RequestTrace>]>([
    ["lost functions", { faults: { lostReplicas: 1, mainRestarts: 0 } as RequestTrace["faults"] }],
    ["waited for a start", { bill: { items: [{ phase: "cold-start" }] } as unknown as RequestTrace["bill"] }],
    ["were cut short", { finishReason: "cancelled" }],
  ])("learn nothing from requests that %s", async (_, trace) => {
    const { planning } = createTestPlanning();
    await serveMany(planning, 30, { ...slow, trace });
    expect(planning.problemOf(QUERY).profile).toEqual(tinyProfile);
    expect(planning.problemOf(QUERY).margin.unsplit).toEqual(tinyProfile.spread.unsplit);
  });

  it("learn nothing from functions that still warm up", async () => {
    const { planning } = createTestPlanning();
    for (let i = 0; i < 10; i++) await serve(planning, { ...slow, trace: { completionTokens: 10 } });
    expect(planning.problemOf(QUERY).profile).toEqual(tinyProfile);
    for (let i = 0; i < 5; i++) await serve(planning, { slower: { decode: 2 }, trace: { completionTokens: 10 } });
    expect(planning.problemOf(QUERY).profile).not.toEqual(tinyProfile);
  });

  it("learn nothing from requests beside a start", async () => {
    const { planning, background } = createTestPlanning();
    background.isUnderWay = true;
    await serveMany(planning, 30, slow);
    expect(planning.problemOf(QUERY).profile).toEqual(tinyProfile);
  });
});

describe("before the first request", () => {
  it("starts the functions of a plan for a typical one", async () => {
    const { planning, started, problems } = createTestPlanning();
    expect(await planning.start(QUERY)).toBe(SMALL);
    expect(started).toEqual([SMALL]);
    expect(problems[0]?.isCold).toBe(false);
  });

  it("practises planning beside their start, so that the first request's plan does not wait for the compiler", async () => {
    const { planning, problems } = createTestPlanning({ startPauses: 3 });
    await planning.start(QUERY);
    expect(problems.length).toBeGreaterThan(3);
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(1);
  });

  it("does not practise longer than they start", async () => {
    const { planning, problems } = createTestPlanning();
    await planning.start(QUERY);
    expect(problems.length).toBeLessThanOrEqual(2);
  });

  it("refuses objectives that no running function would meet", async () => {
    const { planning, started } = createTestPlanning({ slo: { ttftMs: 1, tpotMs: null } });
    await expect(planning.start(QUERY)).rejects.toMatchObject({ code: "PLAN_INFEASIBLE" });
    expect(started).toEqual([]);
  });
});

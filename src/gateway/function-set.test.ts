import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { remoeError } from "../core/errors.ts";
import { SharedTime } from "../core/shared-time.ts";
import type {
  DoneEvent,
  GenerateRequest,
  LostEvent,
  MainFunction,
  ReplicaReady,
  UsageEvent,
} from "../functions/protocol.ts";
import { NO_SAMPLES } from "../functions/testing/no-samples.ts";
import { GREEDY } from "../model/sampling.ts";
import type { Plan } from "../planner/plan.ts";
import { createPlatform } from "../platform/instance-pool.ts";
import type { Launcher } from "../platform/launcher.ts";
import type { Exit, FunctionSpec, Platform } from "../platform/platform.ts";
import { createManualTime } from "../platform/testing/manual-time.ts";
import { COLD_START, createScriptedLauncher, type ScriptedStart } from "../platform/testing/scripted-launcher.ts";
import type { AcquiredFunctions, Generation } from "./acquired-functions.ts";
import { acquireFunctions, type FunctionSetOptions } from "./function-set.ts";
import { type ModelProgram, toFunctionSpecs } from "./function-specs.ts";
import { waitUntil } from "./testing/wait-until.ts";

/** One expert function of two replicas beside the main function. */
const PLAN: Plan = {
  specMain: { memoryMb: 2048 },
  layers: [
    {
      layer: 0,
      remote: [2, 3],
      function: "experts-0",
      memoryMb: 512,
      replicas: [
        [2, 3],
        [2, 3],
      ],
    },
  ],
};
const PROGRAM: ModelProgram = {
  model: "tiny.gguf",
  layers: 1,
  experts: 4,
  contextLength: 64,
  parallel: 1,
  numerics: "default",
  device: null,
  threads: 1,
  processors: 2,
};
const GENERATION: Generation = {
  promptTokens: [1, 2],
  maxTokens: 6,
  sampling: GREEDY,
  stopTokens: [],
  topLogprobs: null,
  traceTokens: 0,
};
const DONE: DoneEvent = {
  type: "done",
  finishReason: "length",
  completionTokens: 6,
  timings: { prefillMs: 1, decodeMs: 2, queueMs: 0, busyMs: 30.5 },
  experts: { localRows: 6, remoteRows: 6, remoteCalls: 6 },
  activations: { prefill: [[]], decode: [[]] },
  samples: NO_SAMPLES,
  remote: [{ function: "experts-0", invocations: 6, busyMs: 5.5, billedMs: 6 }],
  faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 },
  peakMemoryMb: 100,
};
const CRASH: Exit = { reason: "crashed", description: "it was ended by SIGKILL" };
const LOST = remoeError("FUNCTION_LOST", { role: "main", reason: "it was killed" });
const FIRST_TOKEN = 100;
const never = new AbortController().signal;

/** Called before a token's turn, with its position: may throw, wait, or tell of a lost replica or of usage. */
type Step = (position: number, request: GenerateRequest) => Told | undefined | Promise<Told | undefined>;

type Told = LostEvent | UsageEvent;

/** Main functions that generate 100, 101, 102, …, and what they were told. */
function createMains(step: Step) {
  const requests: GenerateRequest[] = [];
  const provided: ReplicaReady[] = [];
  const finished: string[] = [];
  const main: MainFunction = {
    async *generate(request) {
      requests.push(request);
      for (let position = request.replayTokens.length; position < request.maxTokens; position++) {
        const told = await step(position, request);
        if (told !== undefined) yield told;
        yield { type: "token", token: FIRST_TOKEN + position, logprob: null, top: [], atMs: position };
      }
      yield DONE;
    },
    finish: async (generationId) => void finished.push(generationId),
    provide: async (ready) => void provided.push(ready),
  };
  return { main, requests, provided, finished };
}

interface TestOptions {
  /** Requests that may share a main function. Defaults to 1. */
  readonly parallel?: number;
  readonly step?: Step;
  /** Starts that the test decides about; the others are ready at once. */
  readonly held?: (spec: FunctionSpec) => boolean;
  readonly platform?: (pool: Platform) => Platform;
}

function createTestSet({
  parallel = 1,
  step = () => undefined,
  held = () => false,
  platform = (pool) => pool,
}: TestOptions = {}) {
  const launcher = createScriptedLauncher();
  const time = createManualTime();
  const instant: Launcher = {
    ...launcher,
    launch(spec, id, signal) {
      const launched = launcher.launch(spec, id, signal);
      if (!held(spec)) launcher.starts.at(-1)?.becomeReady();
      return launched;
    },
  };
  const pool = createPlatform(instant, { clock: time.clock, schedule: time.schedule });
  const { main, ...told } = createMains(step);
  const connected = { ...main, time: new SharedTime(time.clock) };
  const options: FunctionSetOptions = {
    platform: platform(pool),
    specs: toFunctionSpecs(PLAN, { ...PROGRAM, parallel }),
    connect: () => connected,
    rows: "f32",
    rounding: { granularityMs: 1, minimumMs: 0 },
    gpuMemoryMb: 3,
  };
  /** Starts of a function or replica, oldest first. */
  const startsOf = (name: string): ScriptedStart[] => launcher.starts.filter(({ spec }) => spec.name === name);
  return { ...told, pool, time, startsOf, acquire: (signal = never) => acquireFunctions(options, signal) };
}

/** The tokens of a generation and whether it was done. */
async function collect(functions: AcquiredFunctions, signal = never) {
  const tokens: number[] = [];
  let done = false;
  for await (const event of functions.generate(GENERATION, signal)) {
    if (event.type === "token") tokens.push(event.token);
    else done = true;
  }
  return { tokens, done };
}

const WHOLE = { tokens: [100, 101, 102, 103, 104, 105], done: true };
const NAMES = ["experts-0", "experts-0.1", "main"];
const FIRST = { type: "lost", function: "experts-0", index: 0, reason: "it is silent" } as const;

/** Everything that can run now has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const states = (platform: Platform): readonly string[] => platform.list().map(({ state }) => state);

describe("acquiring", () => {
  it("starts all functions at the same time", async () => {
    const { startsOf, acquire } = createTestSet({ held: () => true });
    const acquired = acquire();
    await settled();
    const starts = NAMES.flatMap(startsOf);
    expect(starts).toHaveLength(3);
    for (const start of starts) start.becomeReady();
    expect((await acquired).coldStart).toEqual(COLD_START);
  });

  it("reports no cold start where the main function was warm", async () => {
    const { acquire } = createTestSet();
    (await acquire()).release();
    expect((await acquire()).coldStart).toBeNull();
  });

  it("fails when the main function does not start, and stops the other starts", async () => {
    const { startsOf, acquire } = createTestSet({ held: () => true });
    const acquired = acquire();
    await settled();
    const failure = remoeError("FUNCTION_START_FAILED", { role: "main", reason: "no memory" });
    startsOf("main")[0]?.fail(failure);
    await expect(acquired).rejects.toBe(failure);
    expect(startsOf("experts-0")[0]?.signal.aborted).toBe(true);
  });

  it("fails when an expert function can never start, and gives back what it has", async () => {
    const { pool, startsOf, acquire } = createTestSet({ held: ({ name }) => name === "experts-0" });
    const acquired = acquire();
    await settled();
    const details = { function: "experts-0", neededMb: 900, weightsMb: 800, limitMb: 512 };
    startsOf("experts-0")[0]?.fail(remoeError("FUNCTION_MEMORY_TOO_SMALL", details));
    await expect(acquired).rejects.toMatchObject({ code: "FUNCTION_MEMORY_TOO_SMALL" });
    await settled();
    expect(states(pool)).toEqual(["idle", "idle"]);
  });

  it("does without an expert function whose start fails for passing reasons", async () => {
    const { requests, startsOf, acquire } = createTestSet({ held: ({ name }) => name === "experts-0" });
    const acquired = acquire();
    await settled();
    startsOf("experts-0")[0]?.fail(remoeError("FUNCTION_START_FAILED", { role: "experts", reason: "it was killed" }));
    expect(await collect(await acquired)).toEqual(WHOLE);
    expect(requests[0]?.functions[0]?.replicas.map(({ endpoint }) => endpoint)).toEqual([
      null,
      `unix:/${startsOf("experts-0.1")[0]?.id}`,
    ]);
  });

  it("waits five seconds for cold expert functions, and tells the generation when they are there", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const test = createTestSet({
      held: ({ name }) => name === "experts-0",
      async step(position) {
        if (position !== 2) return undefined;
        test.startsOf("experts-0")[0]?.becomeReady();
        await waitUntil(() => test.provided.length > 0);
        return undefined;
      },
    });
    const acquired = test.acquire();
    await waitUntil(() => vi.getTimerCount() > 0);
    vi.advanceTimersByTime(5_000);
    expect(await collect(await acquired)).toEqual(WHOLE);
    expect(test.requests[0]?.functions[0]?.replicas[0]?.endpoint).toBeNull();
    expect(test.provided).toEqual([provided(test.startsOf("experts-0")[0]?.id)]);
  });

  it("is given up when its signal aborts, with its reason, and stops the starts", async () => {
    const { startsOf, acquire } = createTestSet({ held: () => true });
    const client = new AbortController();
    const acquired = acquire(client.signal);
    await settled();
    const reason = remoeError("REQUEST_CANCELLED", {});
    client.abort(reason);
    await expect(acquired).rejects.toBe(reason);
    expect(NAMES.flatMap(startsOf).map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
  });

  it("gives back leases that come when nobody waits for them any more", async () => {
    /** Does not know how to stop a start. */
    const stubborn = (pool: Platform): Platform =>
      Object.assign(Object.create(pool) as Platform, { acquire: (spec: FunctionSpec) => pool.acquire(spec) });
    const { pool, startsOf, acquire } = createTestSet({ held: () => true, platform: stubborn });
    const client = new AbortController();
    const acquired = acquire(client.signal);
    await settled();
    client.abort(remoeError("REQUEST_CANCELLED", {}));
    await expect(acquired).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    for (const start of NAMES.flatMap(startsOf)) start.becomeReady();
    await settled();
    expect(states(pool)).toEqual(["idle", "idle", "idle"]);
  });
});

describe("releasing", () => {
  it("gives every function back", async () => {
    const { pool, acquire } = createTestSet();
    const functions = await acquire();
    expect(states(pool)).toEqual(["leased", "leased", "leased"]);
    functions.release();
    expect(states(pool)).toEqual(["idle", "idle", "idle"]);
  });

  it("stops a replacement that still starts", async () => {
    let cold = false;
    const { startsOf, acquire } = createTestSet({ held: () => cold });
    const functions = await acquire();
    cold = true;
    startsOf("experts-0")[0]?.end(CRASH);
    await waitUntil(() => startsOf("experts-0").length === 2);
    functions.release();
    expect(startsOf("experts-0")[1]?.signal.aborted).toBe(true);
  });

  it("replaces nothing that is lost afterwards", async () => {
    const { startsOf, acquire } = createTestSet();
    (await acquire()).release();
    for (const name of NAMES) startsOf(name)[0]?.end(CRASH);
    await settled();
    expect(NAMES.flatMap(startsOf)).toHaveLength(3);
  });
});

describe("a generation", () => {
  it("tells the main function where everything is", async () => {
    const { requests, startsOf, acquire } = createTestSet();
    expect(await collect(await acquire())).toEqual(WHOLE);
    const replicas = ["experts-0", "experts-0.1"].map((name) => {
      const id = startsOf(name)[0]?.id;
      return { instanceId: id, endpoint: `unix:/${id}`, experts: [[2, 3]] };
    });
    expect(requests).toEqual([
      {
        ...GENERATION,
        generationId: expect.any(String),
        replayTokens: [],
        functions: [{ name: "experts-0", replicas }],
        rows: "f32",
        rounding: { granularityMs: 1, minimumMs: 0 },
      },
    ]);
  });

  it("is asked to finish by its id, once there is one", async () => {
    const test = createTestSet({
      step(position) {
        if (position === 3) functions.finish();
        return undefined;
      },
    });
    const functions = await test.acquire();
    functions.finish();
    expect(test.finished).toEqual([]);
    await collect(functions);
    expect(test.finished).toEqual(test.requests.map(({ generationId }) => generationId));
  });
});

describe("a lost main function", () => {
  /** Kills the main function once at each of these positions. */
  function killAt(positions: readonly number[]): Step {
    const left = [...positions];
    return (position) => {
      const index = left.indexOf(position);
      if (index < 0) return undefined;
      left.splice(index, 1);
      throw LOST;
    };
  }

  it("is discarded, and another one replays what was generated", async () => {
    const { requests, startsOf, acquire } = createTestSet({ step: killAt([3]) });
    const functions = await acquire();
    expect(await collect(functions)).toEqual(WHOLE);
    expect(requests.map(({ replayTokens }) => replayTokens)).toEqual([[], [100, 101, 102]]);
    expect(startsOf("main").map(({ stops }) => stops)).toEqual([[0], []]);
    expect(functions.mainRestarts).toBe(1);
  });

  it("leaves no gap and no duplicate, wherever it is lost", async () => {
    const positions = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(positions, async (killed) => {
        const { requests, acquire } = createTestSet({ step: killAt(killed) });
        expect(await collect(await acquire())).toEqual(WHOLE);
        expect(requests.map(({ replayTokens }) => replayTokens.length)).toEqual([0, ...killed.toSorted()]);
      }),
      { seed: 5, numRuns: 50 },
    );
  });

  it("is given up after three others", async () => {
    const { requests, acquire } = createTestSet({ step: killAt([2, 2, 2, 2]) });
    const functions = await acquire();
    await expect(collect(functions)).rejects.toBe(LOST);
    expect([requests.length, functions.mainRestarts]).toEqual([4, 3]);
  });

  it("is not replaced when it only says why it cannot answer", async () => {
    const refusal = remoeError("CONTEXT_LENGTH_EXCEEDED", { promptTokens: 64, contextLength: 64 });
    const { requests, acquire } = createTestSet({
      step() {
        throw refusal;
      },
    });
    await expect(collect(await acquire())).rejects.toBe(refusal);
    expect(requests).toHaveLength(1);
  });

  it("is not replaced when nobody waits for the answer any more", async () => {
    const client = new AbortController();
    const { requests, acquire } = createTestSet({
      step() {
        client.abort();
        throw LOST;
      },
    });
    await expect(collect(await acquire(), client.signal)).rejects.toBe(LOST);
    expect(requests).toHaveLength(1);
  });
});

/** What a generation is told about the first replica. */
function provided(instanceId = ""): ReplicaReady {
  const replica = { instanceId, endpoint: `unix:/${instanceId}`, experts: [[2, 3]] };
  return { generationId: expect.any(String), function: "experts-0", index: 0, replica };
}

describe("a lost expert function", () => {
  interface Loss {
    /** The main function says that the instance does not answer. */
    readonly told?: boolean;
    /** The instance ends. */
    readonly ended?: boolean;
  }

  function loseFirst({ told = false, ended = false }: Loss) {
    const test = createTestSet({
      async step(position) {
        const [lost] = test.startsOf("experts-0");
        if (position === 3) await waitUntil(() => test.provided.length > 0);
        if (position !== 2 || lost === undefined) return undefined;
        if (ended) lost.end(CRASH);
        return told ? { ...FIRST, instanceId: lost.id } : undefined;
      },
    });
    return test;
  }

  it.each<[string, Loss]>([
    ["the main function says so", { told: true }],
    ["it ends", { ended: true }],
    ["it ends and the main function says so", { told: true, ended: true }],
  ])("is replaced once in its place when %s", async (_, loss) => {
    const test = loseFirst(loss);
    expect(await collect(await test.acquire())).toEqual(WHOLE);
    await settled();
    const [lost, next, ...more] = test.startsOf("experts-0");
    expect(more).toEqual([]);
    expect(test.provided).toEqual([provided(next?.id)]);
    if (loss.ended !== true) expect(lost?.stops).toEqual([0]);
    expect(test.startsOf("experts-0.1")).toHaveLength(1);
  });

  it("is replaced three times at most", async () => {
    const test = createTestSet({
      async step() {
        test.startsOf("experts-0").at(-1)?.end(CRASH);
        await settled();
        return undefined;
      },
    });
    expect(await collect(await test.acquire())).toEqual(WHOLE);
    expect(test.startsOf("experts-0")).toHaveLength(4);
  });

  it("that was replaced before the generation learnt of it is named again", async () => {
    const test = createTestSet({
      step: (position) => (position === 2 ? { ...FIRST, instanceId: "experts-0.of-before" } : undefined),
    });
    await collect(await test.acquire());
    const [only, ...more] = test.startsOf("experts-0");
    expect([test.provided, more]).toEqual([[provided(only?.id)], []]);
  });

  it("that cannot be started again leaves its place empty", async () => {
    let failing = false;
    const test = createTestSet({
      held: () => failing,
      async step(position) {
        const [lost, next] = test.startsOf("experts-0");
        if (position === 2) {
          failing = true;
          lost?.end(CRASH);
          await waitUntil(() => test.startsOf("experts-0").length === 2);
        }
        if (position === 3) next?.fail(remoeError("FUNCTION_START_FAILED", { role: "experts", reason: "no memory" }));
        return undefined;
      },
    });
    expect(await collect(await test.acquire())).toEqual(WHOLE);
    expect(test.provided).toEqual([]);
  });
});

describe("requests at the same time", () => {
  const acquireTwo = ({ acquire }: ReturnType<typeof createTestSet>) => Promise.all([acquire(), acquire()]);
  const collectBoth = (sets: readonly AcquiredFunctions[]) => Promise.all(sets.map((set) => collect(set)));
  const countStarts = ({ startsOf }: ReturnType<typeof createTestSet>) => NAMES.map((name) => startsOf(name).length);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b);

  it("share functions, each started once and on the bill of one of them", async () => {
    const test = createTestSet({ parallel: 2 });
    const sets = await acquireTwo(test);
    expect(await collectBoth(sets)).toEqual([WHOLE, WHOLE]);
    expect(countStarts(test)).toEqual([1, 1, 1]);
    const coldStartMs = sets.flatMap((set) => set.usage().map((usage) => usage.coldStartMs));
    expect(sum(coldStartMs)).toBe(3 * COLD_START.totalMs);
    expect(new Set(test.requests.map(({ generationId }) => generationId)).size).toBe(2);
  });

  it("have main functions of their own where those compute one at a time, and share the expert functions", async () => {
    const test = createTestSet({ parallel: 1 });
    await acquireTwo(test);
    expect(countStarts(test)).toEqual([1, 1, 2]);
  });

  it("are not disturbed by the end of another", async () => {
    const test = createTestSet({ parallel: 2 });
    const [first, second] = await acquireTwo(test);
    first.release();
    expect(states(test.pool)).toEqual(["leased", "leased", "leased"]);
    expect(await collect(second)).toEqual(WHOLE);
    second.release();
    expect(states(test.pool)).toEqual(["idle", "idle", "idle"]);
  });

  it.each([
    ["it ends", true],
    ["their main function says so", false],
  ])("get the same new instance for a lost replica when %s", async (_, ends) => {
    const test = createTestSet({
      parallel: 2,
      async step(position) {
        const [lost] = test.startsOf("experts-0");
        if (position === 3) await waitUntil(() => test.provided.length === 2);
        if (position !== 2 || lost === undefined) return undefined;
        if (ends) lost.end(CRASH);
        return ends ? undefined : { ...FIRST, instanceId: lost.id };
      },
    });
    expect(await collectBoth(await acquireTwo(test))).toEqual([WHOLE, WHOLE]);
    const [, next, ...more] = test.startsOf("experts-0");
    expect(more).toEqual([]);
    expect(test.provided).toEqual([provided(next?.id), provided(next?.id)]);
    expect(new Set(test.provided.map(({ generationId }) => generationId)).size).toBe(2);
  });

  /** Kills the main function at these positions of both, once each. */
  function killBothAt(positions: readonly number[]): Step {
    const killed = new Map<string, number>();
    return async (position, { generationId }) => {
      await settled();
      const count = killed.get(generationId) ?? 0;
      if (position !== positions[count]) return undefined;
      killed.set(generationId, count + 1);
      throw LOST;
    };
  }

  it("go on in one new main function when theirs is lost", async () => {
    const test = createTestSet({ parallel: 2, step: killBothAt([3]) });
    const sets = await acquireTwo(test);
    expect(await collectBoth(sets)).toEqual([WHOLE, WHOLE]);
    expect(test.startsOf("main").map(({ stops }) => stops)).toEqual([[0], []]);
    expect(test.requests.map(({ replayTokens }) => replayTokens.length)).toEqual([0, 0, 3, 3]);
    expect(sets.map(({ mainRestarts }) => mainRestarts)).toEqual([1, 1]);
  });

  it("share the time of a main function that could not say what it did", async () => {
    let other: ReturnType<typeof collect> | undefined;
    const test = createTestSet({
      parallel: 2,
      async step(position, { replayTokens }) {
        if (position === 1 && other === undefined) {
          test.time.advance(10);
          other = collect(second);
          await waitUntil(() => test.requests.length > 1);
        }
        if (position !== 4 || replayTokens.length > 0) return undefined;
        if (test.time.clock() === 10) test.time.advance(30);
        throw LOST;
      },
    });
    const [first, second] = await acquireTwo(test);
    await collect(first);
    await other;
    const lostMs = [first, second].map((set) => (set.usage()[0]?.busyMs ?? 0) - DONE.timings.busyMs);
    expect(lostMs).toEqual([10 + 15, 15]);
  });
});

describe("usage", () => {
  it("is what the functions are and counted, with their cold starts", async () => {
    const { acquire } = createTestSet();
    const functions = await acquire();
    await collect(functions);
    expect(functions.usage()).toEqual([
      {
        function: "main",
        role: "main",
        memoryMb: 2048,
        vcpus: 2,
        gpuMemoryMb: 3,
        invocations: 1,
        busyMs: 30.5,
        billedMs: 31,
        coldStartMs: COLD_START.totalMs,
        idleMs: 0,
      },
      {
        function: "experts-0",
        role: "experts",
        memoryMb: 512,
        vcpus: 0.5,
        gpuMemoryMb: 0,
        invocations: 6,
        busyMs: 5.5,
        billedMs: 6,
        coldStartMs: 2 * COLD_START.totalMs, // of both replicas
        idleMs: 0,
      },
    ]);
  });

  it("has the time functions were kept warm for this request, and no cold start then", async () => {
    const { time, acquire } = createTestSet();
    (await acquire()).release();
    time.advance(500);
    expect((await acquire()).usage()).toMatchObject([
      { function: "main", coldStartMs: 0, idleMs: 500 },
      { function: "experts-0", coldStartMs: 0, idleMs: 1000 },
    ]);
  });

  it("has the time for which it held functions that had nothing to do", async () => {
    const { time, acquire } = createTestSet();
    const functions = await acquire();
    await collect(functions);
    time.advance(100);
    functions.release();
    time.advance(900);
    expect(functions.usage()).toMatchObject([
      { function: "main", busyMs: 30.5, billedMs: 31, idleMs: 100 - 31 },
      { function: "experts-0", busyMs: 5.5, billedMs: 6, idleMs: 2 * 100 - 6 }, // of both replicas
    ]);
  });

  it("has an equal part of that time where requests share functions", async () => {
    const { time, acquire } = createTestSet({ parallel: 2 });
    const [first, second] = await Promise.all([acquire(), acquire()]);
    time.advance(60);
    first.release();
    time.advance(40);
    second.release();
    const idleMs = [first, second].map((set) => set.usage().map((usage) => usage.idleMs));
    expect(idleMs).toEqual([
      [30, 60],
      [70, 140],
    ]);
  });

  it("has the work that was lost and the cold starts of replacements", async () => {
    const test = createTestSet({
      step(position) {
        if (position === 3 && test.requests.length === 1) {
          test.time.advance(12.2);
          throw LOST;
        }
        if (position === 4) test.startsOf("experts-0")[0]?.end(CRASH);
        return undefined;
      },
    });
    const functions = await test.acquire();
    await collect(functions);
    await waitUntil(() => test.provided.length > 0);
    expect(functions.usage()).toMatchObject([
      { invocations: 2, busyMs: 42.7, billedMs: 13 + 31, coldStartMs: 2 * COLD_START.totalMs },
      { coldStartMs: 3 * COLD_START.totalMs },
    ]);
  });

  it("has the calls of a main function that was lost, as far as it had told", async () => {
    const used = (invocations: number): UsageEvent => ({
      type: "usage",
      remote: [{ function: "experts-0", invocations, busyMs: invocations / 2, billedMs: invocations }],
    });
    const test = createTestSet({
      step(position) {
        if (test.requests.length > 1) return undefined;
        if (position === 4) throw LOST;
        return position === 0 ? undefined : used(10 * position);
      },
    });
    const functions = await test.acquire();
    await collect(functions);
    expect(functions.usage()).toMatchObject([
      { function: "main" },
      { function: "experts-0", invocations: 30 + 6, busyMs: 15 + 5.5, billedMs: 30 + 6 },
    ]);
  });
});

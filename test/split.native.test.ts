import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { System } from "../src/cli/system.ts";
import { createRandom } from "../src/core/random.ts";
import { askAndKill, askCalmly, drawCase, expectSameAnswer, type KillCase } from "./testing/kill-cases.ts";
import { type Leftovers, watchLeftovers } from "./testing/leftovers.ts";
import { ask, instancesOf, questions, startSplit } from "./testing/split-system.ts";

const prompts = questions(8);
const [prompt = ""] = prompts;
const TEST_MS = 120_000;

let leftovers: Leftovers;
let whole: System;
beforeAll(async () => {
  leftovers = watchLeftovers();
  whole = await startSplit({});
});
afterAll(async () => {
  await whole.stop(5_000);
  expect(leftovers.found()).toEqual([]);
  leftovers.close();
});

/** Runs something on a system of its own. */
async function withSystem<T>(
  options: Parameters<typeof startSplit>[0],
  use: (system: System) => Promise<T>,
  more: Parameters<typeof startSplit>[1] = {},
): Promise<T> {
  const system = await startSplit(options, more);
  leftovers.watch(system.platform);
  try {
    return await use(system);
  } finally {
    await system.stop(5_000);
  }
}

describe("a model split over functions", () => {
  it.each([
    { remoteRatio: 0.25, expertFunctions: 1, replicas: 1 },
    { remoteRatio: 0.5, expertFunctions: 2, replicas: 1 },
    { remoteRatio: 0.5, expertFunctions: 1, replicas: 2 },
    { remoteRatio: 1, expertFunctions: 3, replicas: 2 },
  ])(
    "answers as the whole model does: $remoteRatio remote in $expertFunctions functions × $replicas",
    async (options) => {
      await withSystem(options, async (system) => {
        for (const each of prompts) {
          const question = { prompt: each, maxTokens: 24, sampling: { temperature: 0.8, seed: 5 }, topLogprobs: 20 };
          const [split, unsplit] = [await ask(system, question), await ask(whole, question)];
          expect(split.tokens).toEqual(unsplit.tokens);
          expect(split.logprobs).toEqual(unsplit.logprobs); // to the last bit
          expect(split.trace.experts?.remoteRows).toBeGreaterThan(0);
          expect(split.trace.activations).toEqual(unsplit.trace.activations);
        }
      });
    },
    TEST_MS,
  );

  it.each(["f16", "summed"] as const)(
    "answers a little differently with %s rows, if at all",
    async (rows) => {
      await withSystem(
        { remoteRatio: 0.5 },
        async (system) => {
          const { tokens, trace } = await ask(system, { prompt, maxTokens: 24 });
          const { tokens: expected } = await ask(whole, { prompt, maxTokens: 24 });
          expect(tokens.slice(0, 8)).toEqual(expected.slice(0, 8));
          expect(trace.faults.failedCalls).toBe(0);
        },
        { rows },
      );
    },
    TEST_MS,
  );

  it(
    "bills every function: time in calls and between them, cold starts with the request that caused them",
    async () => {
      await withSystem({ remoteRatio: 0.5 }, async (system) => {
        const cold = await ask(system, { prompt, maxTokens: 8 });
        const warm = await ask(system, { prompt, maxTokens: 8 });
        const phases = ({ trace }: typeof cold) => trace.bill.items.map(({ role, phase }) => `${role} ${phase}`);
        const ofEach = (phase: string) => ["main", "experts"].map((role) => `${role} ${phase}`);
        // Kept alive for the request itself too: expert functions wait between calls.
        expect(new Set(phases(cold))).toEqual(new Set(["busy", "cold-start", "keep-alive"].flatMap(ofEach)));
        expect(new Set(phases(warm))).toEqual(new Set(["busy", "keep-alive"].flatMap(ofEach)));
        const calls = warm.trace.bill.items.find(({ role, phase }) => role === "experts" && phase === "busy");
        expect(calls?.requests).toBe(warm.trace.experts?.remoteCalls);
        expect(calls?.billedMs).toBeGreaterThanOrEqual(calls?.requests ?? 0);
      });
    },
    TEST_MS,
  );

  it(
    "keeps the bill of an answer that a stop text ended",
    async () => {
      await withSystem({ remoteRatio: 0.5 }, async (system) => {
        const { trace } = await ask(system, { prompt, maxTokens: 64, stop: [" "] });
        expect(trace.finishReason).toBe("stop");
        expect(trace.completionTokens).toBeLessThan(64);
        expect(trace.experts?.remoteRows).toBeGreaterThan(0);
        expect(trace.bill.items.map(({ role, phase }) => `${role} ${phase}`)).toContain("experts busy");
      });
    },
    TEST_MS,
  );

  it(
    "refuses at the start, with the numbers, a function that cannot hold its experts",
    async () => {
      const starting = startSplit({ remoteRatio: 0.5, expertMemoryMb: 64 });
      await expect(starting).rejects.toMatchObject({
        code: "FUNCTION_MEMORY_TOO_SMALL",
        details: { function: "experts-0-5", limitMb: 64, neededMb: expect.any(Number), weightsMb: expect.any(Number) },
      });
    },
    TEST_MS,
  );
});

describe("a request that loses a function on the way", () => {
  const CASES_PER_SYSTEM = 10;

  it.each([
    { remoteRatio: 0, expertFunctions: 1, replicas: 1 },
    { remoteRatio: 0.5, expertFunctions: 2, replicas: 1 },
    { remoteRatio: 1, expertFunctions: 1, replicas: 2 },
  ])(
    "goes on as if nothing had happened: $remoteRatio remote × $replicas",
    async (options) => {
      const random = createRandom(options.remoteRatio * 100 + options.replicas);
      await withSystem(options, async (system) => {
        for (let i = 0; i < CASES_PER_SYSTEM; i++) {
          const kill = drawCase(random, prompts);
          expectSameAnswer(await askAndKill(system, kill), await askCalmly(whole, kill), kill);
        }
      });
    },
    TEST_MS,
  );

  it(
    "is not held up for long by a function that hangs",
    async () => {
      const kill: KillCase = {
        prompt,
        seed: 0,
        temperature: 0,
        victim: "experts",
        atToken: 4,
        delayMs: 0,
        signal: "SIGSTOP",
      };
      await withSystem({ remoteRatio: 0.5 }, async (system) => {
        await askCalmly(system, kill);
        const answer = await askAndKill(system, kill);
        expectSameAnswer(answer, await askCalmly(whole, kill), kill);
        expect(answer.trace.faults).toMatchObject({ lostReplicas: 1 });
      });
    },
    TEST_MS,
  );

  it(
    "leaves a new instance for the next one",
    async () => {
      await withSystem({ remoteRatio: 0.5 }, async (system) => {
        const before = instancesOf(system, "experts").map(({ pid }) => pid);
        process.kill(before[0] as number, "SIGKILL");
        const { trace } = await ask(system, { prompt, maxTokens: 8 });
        expect(trace.faults.adoptedExperts).toBe(0);
        expect(instancesOf(system, "experts").map(({ pid }) => pid)).not.toEqual(before);
      });
    },
    TEST_MS,
  );
});

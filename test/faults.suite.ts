import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { System } from "../src/cli/system.ts";
import { createRandom } from "../src/core/random.ts";
import { askAndKill, askCalmly, drawCase, expectSameAnswer } from "./testing/kill-cases.ts";
import { type Leftovers, watchLeftovers } from "./testing/leftovers.ts";
import { type Answer, ask, instancesOf, questions, startSplit } from "./testing/split-system.ts";

const SUITE_MS = 30 * 60_000;
const STOP_MS = 5_000;

let leftovers: Leftovers;
beforeEach(() => {
  leftovers = watchLeftovers();
});
afterEach(() => {
  const found = leftovers.found();
  leftovers.close();
  expect(found).toEqual([]);
});

async function start(...options: Parameters<typeof startSplit>): Promise<System> {
  const system = await startSplit(...options);
  leftovers.watch(system.platform);
  return system;
}

describe("functions killed at random points", () => {
  const CASES = 210;
  const SYSTEMS = 14;
  const prompts = questions(50);

  it(
    `change no token in ${CASES} requests with random ratios, replicas and victims`,
    async () => {
      const random = createRandom(2026);
      const whole = await start({});
      const survived = { mainRestarts: 0, lostReplicas: 0, failedCalls: 0 };
      for (let i = 0; i < SYSTEMS; i++) {
        const plan = {
          remoteRatio: random(),
          expertFunctions: 1 + Math.floor(random() * 3),
          replicas: 1 + Math.floor(random() * 2),
        };
        const system = await start(plan);
        for (let j = 0; j < CASES / SYSTEMS; j++) {
          const kill = drawCase(random, prompts);
          const answer = await askAndKill(system, kill);
          expectSameAnswer(answer, await askCalmly(whole, kill), kill);
          survived.mainRestarts += answer.trace.faults.mainRestarts;
          survived.lostReplicas += answer.trace.faults.lostReplicas;
          survived.failedCalls += answer.trace.faults.failedCalls;
        }
        await system.stop(STOP_MS);
      }
      await whole.stop(STOP_MS);
      process.stderr.write(`survived ${JSON.stringify(survived)}\n`);
      expect(survived.mainRestarts).toBeGreaterThan(CASES / 8);
    },
    SUITE_MS,
  );
});

describe("a function killed every second", () => {
  const REQUESTS = 1_000;
  const prompts = questions(40);
  const MAX_TOKENS = 12;

  it(
    `loses none of ${REQUESTS} requests and changes no token`,
    async () => {
      const whole = await start({});
      const expected = new Map<string, Answer>();
      for (const prompt of prompts) expected.set(prompt, await ask(whole, { prompt, maxTokens: MAX_TOKENS }));
      await whole.stop(STOP_MS);

      const system = await start({ remoteRatio: 0.5, expertFunctions: 2 });
      const random = createRandom(7);
      let kills = 0;
      const killer = setInterval(() => {
        const alive = [...instancesOf(system, "main"), ...instancesOf(system, "experts")];
        const victim = alive[Math.floor(random() * alive.length)];
        if (victim?.pid == null) return;
        process.kill(victim.pid, "SIGKILL");
        kills++;
      }, 1_000);
      let wrong = 0;
      let lost = 0;
      for (let i = 0; i < REQUESTS; i++) {
        const prompt = prompts[i % prompts.length] as string;
        try {
          const { tokens } = await ask(system, { prompt, maxTokens: MAX_TOKENS });
          if (tokens.join() !== expected.get(prompt)?.tokens.join()) wrong++;
        } catch (error) {
          process.stderr.write(`lost: ${error}\n`);
          lost++;
        }
      }
      clearInterval(killer);
      await system.stop(STOP_MS);
      process.stderr.write(`${REQUESTS} requests, ${kills} kills, ${lost} lost, ${wrong} wrong\n`);
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      expect(kills).toBeGreaterThan(10);
    },
    SUITE_MS,
  );
});

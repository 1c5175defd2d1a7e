import { expect } from "vitest";
import type { System } from "../../src/cli/system.ts";
import { type Answer, ask, instancesOf } from "./split-system.ts";

/** A request during which one function is killed. */
export interface KillCase {
  readonly prompt: string;
  readonly seed: number;
  readonly temperature: number;
  readonly victim: "main" | "experts";
  /** Kill when this many tokens have come; 0: as soon as the request was accepted. */
  readonly atToken: number;
  /** and this much later. */
  readonly delayMs: number;
  readonly signal: "SIGKILL" | "SIGSTOP";
}

const MAX_TOKENS = 24;

/** A case from a stream of random numbers. */
export function drawCase(random: () => number, prompts: readonly string[]): KillCase {
  const below = (n: number): number => Math.floor(random() * n);
  return {
    prompt: prompts[below(prompts.length)] as string,
    seed: below(1000),
    temperature: random() < 0.7 ? 0 : 0.8,
    victim: random() < 0.4 ? "main" : "experts",
    atToken: below(MAX_TOKENS),
    delayMs: random() < 0.5 ? 0 : below(15),
    signal: "SIGKILL",
  };
}

/** The answer with nobody killed. */
export function askCalmly(system: System, { prompt, seed, temperature }: KillCase): Promise<Answer> {
  return ask(system, { prompt, maxTokens: MAX_TOKENS, sampling: { seed, temperature } });
}

/** The answer to a request that loses a function on the way. */
export async function askAndKill(system: System, kill: KillCase): Promise<Answer> {
  const { prompt, seed, temperature, atToken } = kill;
  let pending: Promise<void> | undefined;
  const answer = await ask(system, {
    prompt,
    maxTokens: MAX_TOKENS,
    sampling: { seed, temperature },
    onProgress: (tokens) => {
      if (tokens >= atToken) pending ??= killOne(system, kill);
    },
  });
  await pending;
  return answer;
}

async function killOne(system: System, { victim, signal, delayMs, seed }: KillCase): Promise<void> {
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  const alive = instancesOf(system, victim);
  const chosen = alive[seed % Math.max(1, alive.length)];
  if (chosen?.pid == null) return;
  try {
    process.kill(chosen.pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Same tokens, same text, and a bill whose items sum up. */
export function expectSameAnswer(answer: Answer, calm: Answer, kill: KillCase): void {
  expect(answer.tokens, JSON.stringify(kill)).toEqual(calm.tokens);
  expect(answer.text, JSON.stringify(kill)).toBe(calm.text);
  const { items, total } = answer.trace.bill;
  expect(items.reduce((sum, { cost }) => sum + cost, 0)).toBeCloseTo(total, 12);
}

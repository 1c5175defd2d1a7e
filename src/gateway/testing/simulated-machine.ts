import { createRandom } from "../../core/random.ts";
import { evaluate, splitDevices } from "../../planner/evaluate.ts";
import type { Plan } from "../../planner/plan.ts";
import { type ByKind, kindOf } from "../../planner/plan-kind.ts";
import type { PlanningProblem } from "../../planner/problem.ts";
import { remoe } from "../../planner/remoe-planner.ts";
import { correctTimes } from "../../planner/time-correction.ts";
import { BackgroundStarts } from "../background-starts.ts";
import type { PlanQuery, PlanReasons } from "../plan-choice.ts";
import { RequestPlanning } from "../request-planning.ts";
import type { RequestTrace } from "../trace.ts";
import { SimulatedDeployments } from "./simulated-deployments.ts";

export interface SimulatedMachine {
  /** What the planner is told. */
  readonly problem: PlanningProblem;
  /** How many times as long plans of a kind really take. */
  readonly slower: ByKind<number>;
  /** Standard deviation of a time's logarithm, from request to request. */
  readonly noise: number;
  readonly seed: number;
}

/** How a request went. */
export interface SimulatedRequest {
  readonly plan: Plan;
  readonly reasons: PlanReasons;
  readonly tpotMs: number;
  /** Whether it kept the objectives. */
  readonly isMet: boolean;
  /** Whether its functions were new. */
  readonly isCold: boolean;
}

const TOKENS = 50;

/** Serves equal requests one after the other by a planning gateway, on a machine that the profile is wrong about. */
export async function simulateRequests(machine: SimulatedMachine, count: number): Promise<SimulatedRequest[]> {
  const { problem, slower, noise, seed } = machine;
  const { promptTokens, outputTokens } = problem.workload;
  const query: PlanQuery = { promptTokens, maxTokens: outputTokens + 1, expectation: null };
  const random = createRandom(seed);
  const deployments = new SimulatedDeployments();
  const backgroundStarts = new BackgroundStarts({ start: (plan) => deployments.start(plan), isIdle: () => true });
  const planning = createPlanning(problem, deployments, backgroundStarts);
  await planning.start(query);
  const served: SimulatedRequest[] = [];
  for (let i = 0; i < count; i++) {
    const choice = await planning.choose(query, 0);
    const { plan, reasons } = choice;
    const isCold = deployments.acquire(plan);
    const factor = slower[kindOf(plan)] * Math.exp(noise * normal(random));
    const times = { prefill: factor, decode: factor };
    const profile = correctTimes(problem.profile, { unsplit: times, split: times });
    const asked = { ...planning.problemOf(query), profile, isCold: false };
    const { prefillMs, ttftMs, tpotMs, decodeMs } = evaluate(asked, { plan, devices: splitDevices(profile) });
    const isMet = ttftMs <= (problem.slo.ttftMs ?? ttftMs) && tpotMs <= (problem.slo.tpotMs ?? tpotMs);
    served.push({ plan, reasons: reasons as PlanReasons, tpotMs, isMet, isCold });
    planning.observe(choice, {
      timings: { prefillMs, decodeMs, ttftMs, tpotMs, queueMs: 0, predictMs: 0, planMs: 0 },
      completionTokens: TOKENS,
      finishReason: "length",
      faults: { lostReplicas: 0, mainRestarts: 0 },
      bill: { items: isCold ? [{ phase: "cold-start" }] : [] },
    } as unknown as RequestTrace);
    await backgroundStarts.proceed();
  }
  return served;
}

function createPlanning(base: PlanningProblem, deployments: SimulatedDeployments, backgroundStarts: BackgroundStarts) {
  return new RequestPlanning({
    base,
    planner: remoe,
    deployments,
    backgroundStarts,
    policy: "best-effort",
    reuse: true,
    pause: async () => {},
    clock: () => 0,
    signal: new AbortController().signal,
  });
}

/** From the standard normal distribution (Box, Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

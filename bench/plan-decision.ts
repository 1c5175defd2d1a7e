import { setImmediate } from "node:timers/promises";
import { BackgroundStarts } from "../src/gateway/background-starts.ts";
import type { Expectation } from "../src/gateway/learning.ts";
import type { PlanQuery } from "../src/gateway/plan-choice.ts";
import { RequestPlanning } from "../src/gateway/request-planning.ts";
import { SimulatedDeployments } from "../src/gateway/testing/simulated-deployments.ts";
import type { Margin } from "../src/planner/cost-profile.ts";
import type { ByKind } from "../src/planner/plan-kind.ts";
import type { Demand, ModelSizes, PlanningProblem } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import type { RoutingSample } from "../src/predictor/example.ts";

/** What requests wait for in a gateway between their prediction and the start of their functions. In milliseconds. */
export interface TimedDecisions {
  /** Of the first request of each group, which is planned for. */
  readonly decisionTimesMs: readonly number[];
  /** Of the next, which finds that plan. */
  readonly cachedTimesMs: readonly number[];
  /** Between two pauses: as long as streams wait. */
  readonly decisionLongestStepMs: number;
}

/** Errors of modelled profiles are not known: those measured with OLMoE's shape (profile-olmoe.json of the results). */
const SPREAD: ByKind<Margin> = { unsplit: { ttft: 1.29, tpot: 1.06 }, split: { ttft: 1.12, tpot: 1.11 } };

/**
 * Has a gateway that knows similar requests decide for one of each group, and for another one. No functions run: each plan
 * that does would be evaluated besides.
 * @param problems with the same objectives; at least one
 * @param wall in milliseconds
 */
export async function timeDecisions(problems: readonly PlanningProblem[], wall: () => number): Promise<TimedDecisions> {
  const steps = new Steps(wall);
  const planning = createPlanning(problems[0] as PlanningProblem, { steps, wall });
  const time = async (query: PlanQuery): Promise<number> => {
    const began = wall();
    await steps.time(() => planning.choose(query, began));
    return wall() - began;
  };
  const decisionTimesMs: number[] = [];
  const cachedTimesMs: number[] = [];
  for (const [group, problem] of problems.entries()) {
    const query = toQuery(problem, group);
    decisionTimesMs.push(await time(query));
    cachedTimesMs.push(await time(query));
  }
  return { decisionTimesMs, cachedTimesMs, decisionLongestStepMs: steps.longestMs };
}

function createPlanning(problem: PlanningProblem, { steps, wall }: { steps: Steps; wall: () => number }) {
  const deployments = new SimulatedDeployments();
  return new RequestPlanning({
    base: { ...problem, profile: { ...problem.profile, spread: SPREAD } },
    planner: remoe,
    deployments,
    backgroundStarts: new BackgroundStarts({ start: (plan) => deployments.start(plan), isIdle: () => false }),
    policy: "best-effort",
    reuse: true,
    pause: () => steps.pause(),
    clock: wall,
    signal: new AbortController().signal,
  });
}

/** The longest time in which nothing else had its turn. */
class Steps {
  readonly #wall: () => number;
  #began = 0;
  longestMs = 0;

  constructor(wall: () => number) {
    this.#wall = wall;
  }

  async time<T>(work: () => Promise<T>): Promise<T> {
    this.#began = this.#wall();
    const result = await work();
    this.#end();
    return result;
  }

  async pause(): Promise<void> {
    this.#end();
    await setImmediate();
    this.#began = this.#wall();
  }

  #end(): void {
    this.longestMs = Math.max(this.longestMs, this.#wall() - this.#began);
  }
}

function toQuery({ workload, demand, sizes }: PlanningProblem, group: number): PlanQuery {
  const { promptTokens, outputTokens } = workload;
  return {
    promptTokens,
    maxTokens: outputTokens + 1,
    expectation: toExpectation(demand, outputTokens, { sizes, group }),
  };
}

/** As if one earlier request had been routed as the sets say. */
function toExpectation(
  { matrix, sets }: Demand,
  outputTokens: number,
  { sizes, group }: { readonly sizes: ModelSizes; readonly group: number },
): Expectation {
  const vector = new Float32Array(1);
  const sample = toSample(sets, sizes);
  const decode = Uint32Array.from(matrix, (share) => Math.round(share * outputTokens * sizes.expertsPerToken));
  const example = { vector, tokens: [], prefill: decode, decode, prefillSample: sample, decodeSample: sample };
  return {
    requestId: "",
    tokens: [],
    vector,
    forecast: { matrix, source: "prompt" },
    similar: [{ example, weight: 1 }],
    group,
  };
}

/** [layers][tokens × k] as [tokens × layers × k] */
function toSample(sets: Demand["sets"], { layers, expertsPerToken: k }: ModelSizes): RoutingSample {
  const tokens = sets[0]?.weights.length ?? 0;
  const experts = new Uint16Array(tokens * layers * k);
  for (const [layer, own] of sets.entries()) {
    for (let token = 0; token < tokens; token++) {
      experts.set(own.experts.subarray(token * k, (token + 1) * k), (token * layers + layer) * k);
    }
  }
  return { tokens: new Uint32Array(tokens), experts };
}

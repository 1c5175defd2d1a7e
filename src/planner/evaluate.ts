import type { CostProfile, MainTimes, StartTime } from "./cost-profile.ts";
import type { CostParts, Devices, Evaluation, Placement, Violation } from "./evaluation.ts";
import {
  addLoads,
  decodeLayerTime,
  expertSpeed,
  type LayerTime,
  loadOf,
  NO_LOAD,
  type PrefillLoad,
  prefillLayerTime,
} from "./layer-time.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { expectedBilledMs, rateOf } from "./rates.ts";
import { RemoteRows } from "./remote-rows.ts";
import { toVcpus } from "./specs.ts";
import { timeAt } from "./speed-curve.ts";

/**
 * What a placement takes and costs by the latency and cost model of Remoe (arXiv 2512.18674, sections on latency and
 * cost), with one invocation for all remote rows of a layer and step.
 *
 * TTFT = gateway + T^cold + PT, PT = τ^f(N^in) + Σ_l PT^e_l; TPOT = GT / N^out, GT = N^out (τ^f(1) + Σ_l GT^e_l);
 * cost = C^loc + C^rem + cold starts, each function's billed time at its memory's price.
 */
export function evaluate(problem: PlanningProblem, placement: Placement): Evaluation {
  const { workload, profile, margin, slo } = problem;
  const { plan, devices } = placement;
  const isSplit = plan.layers.some(({ remote }) => remote.length > 0);
  const times = mainTimes(profile, devices, isSplit);
  const vcpus = toVcpus(plan.specMain.memoryMb);
  const swapMs = (n: number): number =>
    devices === "mix" ? profile.swap.fixedMs + n * profile.swap.perHiddenStateMs : 0;
  const layers = layerTimes(problem, placement, times);
  const prefillMs =
    timeAt(times.prefillPrompt, vcpus) +
    workload.promptTokens * timeAt(times.prefillToken, vcpus) +
    sum(layers, ({ prefill }) => prefill.ms + 2 * swapMs(workload.promptTokens));
  const tokenMs = timeAt(times.decodeToken, vcpus) + sum(layers, ({ decode }) => decode.ms + 2 * swapMs(1));
  const starts = startTimes(problem, plan);
  const coldStartMs = problem.isCold ? togetherMs(starts, profile.coldStart.parallel) : 0;
  const ttftMs = profile.overhead.gatewayMs + coldStartMs + prefillMs;
  const decodeMs = workload.outputTokens * tokenMs;
  const tpotMs = workload.outputTokens === 0 ? 0 : tokenMs;
  const gpuMemoryMb = gpuMemory(problem.sizes, devices);
  const costs = costParts({ problem, plan, layers, starts, gpuMemoryMb, computedMs: prefillMs + decodeMs });
  return {
    prefillMs,
    decodeMs,
    coldStartMs,
    ttftMs,
    tpotMs,
    cost: costs.main + costs.remotePrefill + costs.remoteDecode + costs.coldStart,
    costs,
    remoteCalls: sum(layers, ({ prefill, decode }) => prefill.calls + workload.outputTokens * decode.calls),
    gpuMemoryMb,
    violations: [
      ...violation("ttft", slo.ttftMs, margin.ttft * ttftMs),
      ...violation("tpot", slo.tpotMs, margin.tpot * tpotMs),
    ],
  };
}

/** Where the main function of a split plan is. */
export function splitDevices({ mix }: CostProfile): Devices {
  return mix === null ? "cpu" : "mix";
}

/** @throws RangeError for hardware the profile does not have */
function mainTimes(profile: CostProfile, devices: Devices, isSplit: boolean): MainTimes {
  if (isSplit) return profile.split;
  const times = { cpu: profile.cpu, mix: profile.mix, gpu: profile.gpu, fetch: profile.gpu }[devices];
  if (times === null) throw new RangeError(`the profile has no times of '${devices}'`);
  return times;
}

/** M^g, in MiB: what lies on the device. */
function gpuMemory({ nonExpertMb, cacheMb, expertMb, experts, expertsPerToken }: ModelSizes, devices: Devices): number {
  const held = { cpu: 0, mix: 0, gpu: experts, fetch: expertsPerToken }[devices];
  return devices === "cpu" ? 0 : nonExpertMb + cacheMb + sum(expertMb, (mb) => held * mb);
}

interface LayerTimes {
  readonly plan: LayerPlan | undefined;
  readonly prefill: LayerTime;
  readonly decode: LayerTime;
}

/** Of every layer with experts. */
function layerTimes(problem: PlanningProblem, { plan }: Placement, times: MainTimes): LayerTimes[] {
  const { sizes, profile, prices } = problem;
  const local = expertSpeed(times.experts, toVcpus(plan.specMain.memoryMb));
  return Array.from({ length: sizes.layers }, (_, layer) => {
    const own = plan.layers.find((each) => each.layer === layer && each.remote.length > 0);
    const remote = own === undefined ? local : expertSpeed(profile.remote, toVcpus(own.memoryMb));
    const hardware = { local, remote, wire: profile.wire, rounding: prices.rounding };
    const loads = prefillLoads(problem, layer, own);
    return {
      plan: own,
      prefill: prefillLayerTime({ promptTokens: problem.workload.promptTokens, ...loads }, hardware),
      decode: decodeLayerTime(remoteShares(problem, layer, own), own?.replicas.length ?? 1, hardware),
    };
  });
}

/** P(j remote rows) of a layer's tokens. */
function remoteShares({ sizes, demand }: PlanningProblem, layer: number, own: LayerPlan | undefined): Float64Array {
  const remote = own?.remote ?? [];
  const rest = Array.from({ length: sizes.experts }, (_, expert) => expert).filter((each) => !remote.includes(each));
  const sets = demand.sets[layer];
  if (sets === undefined) throw new RangeError(`no sets of layer ${layer}`);
  return new RemoteRows(sets, [...remote, ...rest], sizes.expertsPerToken).shares(remote.length);
}

function prefillLoads({ sizes, demand, workload }: PlanningProblem, layer: number, own: LayerPlan | undefined) {
  const rows = workload.promptTokens * sizes.expertsPerToken;
  const loads = Array.from({ length: sizes.experts }, (_, expert) =>
    loadOf(demand.matrix[layer * sizes.experts + expert] as number, rows),
  );
  const total = (experts: readonly number[]): PrefillLoad =>
    experts.reduce((all, expert) => addLoads(all, loads[expert] as PrefillLoad), NO_LOAD);
  const remote = new Set(own?.remote);
  const local = total([...loads.keys()].filter((expert) => !remote.has(expert)));
  return { local, remote: disjoint(own?.replicas ?? []).map(total) };
}

/** Calls go to the first replica that holds an expert. */
function disjoint(replicas: readonly (readonly number[])[]): number[][] {
  const seen = new Set<number>();
  return replicas.map((experts) => {
    const own = experts.filter((expert) => !seen.has(expert));
    for (const expert of own) seen.add(expert);
    return own;
  });
}

interface Start {
  readonly memoryMb: number;
  readonly ms: number;
}

/** Of every instance, the main function's first. */
function startTimes({ sizes, profile }: PlanningProblem, plan: Plan): Start[] {
  const { main, experts } = profile.coldStart;
  const startMs = ({ fixedMs, perMb }: StartTime, weightMb: number): number => fixedMs + weightMb * perMb;
  const localMb = (layer: number): number => {
    const remote = plan.layers.find((each) => each.layer === layer)?.remote.length ?? 0;
    return (sizes.experts - remote) * (sizes.expertMb[layer] as number);
  };
  const mainMb = sizes.nonExpertMb + sum([...sizes.expertMb.keys()], localMb);
  const first = { memoryMb: plan.specMain.memoryMb, ms: startMs(main, mainMb) };
  const instances = instancesOf(sizes, plan.layers).map(({ memoryMb, weightMb }) => ({
    memoryMb,
    ms: startMs(experts, weightMb),
  }));
  return [first, ...instances];
}

/** Instances of expert functions: layers may share a function, whose j-th instance holds the j-th replica of each. */
function instancesOf({ expertMb }: ModelSizes, layers: readonly LayerPlan[]) {
  const instances = new Map<string, { memoryMb: number; weightMb: number }>();
  for (const { layer, function: name, memoryMb, replicas, remote } of layers) {
    if (remote.length === 0) continue;
    for (const [index, experts] of replicas.entries()) {
      const weightMb = experts.length * (expertMb[layer] as number);
      const shared = instances.get(`${name} ${index}`);
      if (shared === undefined) instances.set(`${name} ${index}`, { memoryMb, weightMb });
      else shared.weightMb += weightMb;
    }
  }
  return [...instances.values()];
}

/** T^cold: all start at the same time; more than `parallel` share what there is. */
function togetherMs(starts: readonly Start[], parallel: number | null): number {
  const longest = Math.max(...starts.map(({ ms }) => ms));
  return parallel === null ? longest : Math.max(longest, sum(starts, ({ ms }) => ms) / parallel);
}

interface Costed {
  readonly problem: PlanningProblem;
  readonly plan: Plan;
  readonly layers: readonly LayerTimes[];
  readonly starts: readonly Start[];
  readonly gpuMemoryMb: number;
  /** PT + GT */
  readonly computedMs: number;
}

function costParts({ problem, plan, layers, starts, gpuMemoryMb, computedMs }: Costed): CostParts {
  const { prices, profile, workload, isCold } = problem;
  const main = rateOf({ memoryMb: plan.specMain.memoryMb, gpuMemoryMb }, prices);
  const mainMs = expectedBilledMs(profile.overhead.mainMs + computedMs, prices.rounding);
  const remoteCost = (of: (layer: LayerTimes) => LayerTime): number =>
    sum(layers, (layer) => {
      if (layer.plan === undefined) return 0;
      const rate = rateOf({ memoryMb: layer.plan.memoryMb, gpuMemoryMb: 0 }, prices);
      return of(layer).billedMs * rate.perMs + of(layer).calls * rate.perCall;
    });
  const isStartBilled = isCold && prices.coldStart === "billed";
  const startCost = ({ memoryMb, ms }: Start, index: number): number =>
    expectedBilledMs(ms, prices.rounding) *
    rateOf({ memoryMb, gpuMemoryMb: index === 0 ? gpuMemoryMb : 0 }, prices).perMs;
  return {
    main: mainMs * main.perMs + main.perCall,
    remotePrefill: remoteCost(({ prefill }) => prefill),
    remoteDecode: workload.outputTokens * remoteCost(({ decode }) => decode),
    coldStart: isStartBilled ? starts.map(startCost).reduce((a, b) => a + b, 0) : 0,
  };
}

function violation(objective: Violation["objective"], limitMs: number | null, expectedMs: number): Violation[] {
  return limitMs === null || expectedMs <= limitMs ? [] : [{ objective, limitMs, expectedMs }];
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

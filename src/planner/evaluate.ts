import { coldStarts } from "./cold-starts.ts";
import { costParts, type TimedLayer } from "./cost-parts.ts";
import type { CostProfile, MainTimes } from "./cost-profile.ts";
import type { Devices, Evaluation, Placement, Violation } from "./evaluation.ts";
import { decodeLayerTime, expertSpeed, loadOfAll, prefillLayerTime } from "./layer-time.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import { kindOf } from "./plan-kind.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { countRemoteRows } from "./remote-rows.ts";
import { toVcpus } from "./specs.ts";
import { timeAt } from "./speed-curve.ts";

/** P(j of a token's k rows are remote), j = 0 … k, when these experts of a layer are remote. [k + 1] */
export type RemoteShares = (layer: number, remote: readonly number[]) => Float64Array;

/**
 * What a placement takes and costs by the latency and cost model of Remoe (arXiv 2512.18674, sections on latency and
 * cost), with one invocation for all remote rows of a layer and step.
 *
 * TTFT = gateway + T^cold + PT, PT = τ^f(N^in) + Σ_l PT^e_l; TPOT = GT / N^out, GT = N^out (τ^f(1) + Σ_l GT^e_l);
 * cost = C^loc + C^rem + cold starts, each function's billed time at its memory's price, and what the platform asks for
 * expert functions that wait for their next call (ours; the paper's functions cost nothing while they are idle).
 *
 * @param remoteShares for who evaluates many placements and has counted already, e.g. with `RemoteRows`; by default
 *   each layer's sets are counted again
 * @throws RangeError for devices the profile has no times of, and for a split layer of which no set is known
 */
export function evaluate(
  problem: PlanningProblem,
  placement: Placement,
  remoteShares: RemoteShares = countedShares(problem),
): Evaluation {
  const { workload, profile, sizes } = problem;
  const { plan, devices } = placement;
  const times = kindOf(plan) === "split" ? splitTimes(profile, devices) : mainTimes(profile, devices);
  const layers = layerTimes({ problem, plan, times, remoteShares });
  const { prefillMs, tokenMs } = workTimes(problem, placement, { times, layers });
  const starts = problem.isCold ? coldStarts(problem, placement) : [];
  const coldStartMs = Math.max(0, ...starts.map(({ ms }) => ms));
  const ttftMs = profile.overhead.gatewayMs + coldStartMs + prefillMs;
  const tpotMs = workload.outputTokens === 0 ? 0 : tokenMs;
  const decodeMs = workload.outputTokens * tokenMs;
  const gpuMemoryMb = gpuMemory(sizes, devices);
  const workMs = profile.overhead.mainMs + (prefillMs + decodeMs);
  const { memoryMb } = plan.specMain;
  const costs = costParts({ problem, memoryMb, gpuMemoryMb, layers, starts, coldStartMs, workMs });
  return {
    prefillMs,
    decodeMs,
    coldStartMs,
    ttftMs,
    tpotMs,
    cost: costs.main + costs.remotePrefill + costs.remoteDecode + costs.coldStart + costs.keepAlive,
    costs,
    remoteCalls: sum(layers, ({ prefill, decode }) => prefill.calls + workload.outputTokens * decode.calls),
    gpuMemoryMb,
    violations: violations(problem, plan, { ttftMs, tpotMs }),
  };
}

/** Where the main function of a split plan is. */
export function splitDevices({ mix }: CostProfile): Devices {
  return mix === null ? "cpu" : "mix";
}

function splitTimes(profile: CostProfile, devices: Devices): MainTimes {
  if (devices === splitDevices(profile)) return profile.split;
  throw new RangeError(
    `the profile's main function of a split plan is on '${splitDevices(profile)}', not '${devices}'`,
  );
}

function mainTimes(profile: CostProfile, devices: Devices): MainTimes {
  const times = { cpu: profile.cpu, mix: profile.mix, gpu: profile.gpu, fetch: profile.gpu }[devices];
  if (times === null) throw new RangeError(`the profile has no times of '${devices}'`);
  return times;
}

/** M^g, in MiB: what lies on the device. */
function gpuMemory({ nonExpertMb, cacheMb, expertMb, experts, expertsPerToken }: ModelSizes, devices: Devices): number {
  const held = { cpu: 0, mix: 0, gpu: experts, fetch: expertsPerToken }[devices];
  return devices === "cpu" ? 0 : nonExpertMb + cacheMb + sum(expertMb, (mb) => held * mb);
}

interface Timed {
  readonly times: MainTimes;
  readonly layers: readonly TimedLayer[];
}

/** PT, and GT of one token. */
function workTimes({ workload, profile }: PlanningProblem, { plan, devices }: Placement, { times, layers }: Timed) {
  const vcpus = toVcpus(plan.specMain.memoryMb);
  const { promptTokens } = workload;
  const swapMs = (n: number): number =>
    devices === "mix" ? profile.swap.fixedMs + n * profile.swap.perHiddenStateMs : 0;
  return {
    prefillMs:
      timeAt(times.prefillPrompt, vcpus) +
      promptTokens * timeAt(times.prefillToken, vcpus) +
      sum(layers, ({ prefill }) => prefill.ms + 2 * swapMs(promptTokens)),
    tokenMs: timeAt(times.decodeToken, vcpus) + sum(layers, ({ decode }) => decode.ms + 2 * swapMs(1)),
  };
}

interface Layered {
  readonly problem: PlanningProblem;
  readonly plan: Plan;
  readonly times: MainTimes;
  readonly remoteShares: RemoteShares;
}

/** Of every layer with experts. */
function layerTimes({ problem, plan, times, remoteShares }: Layered): TimedLayer[] {
  const { sizes, profile, prices, workload } = problem;
  const local = expertSpeed(times.experts, toVcpus(plan.specMain.memoryMb));
  return Array.from({ length: sizes.layers }, (_, layer) => {
    const own = plan.layers.find((each) => each.layer === layer && each.remote.length > 0);
    const remote = own === undefined ? local : expertSpeed(profile.remote, toVcpus(own.memoryMb));
    const { wire, contention } = profile;
    const hardware = { local, remote, wire, contention, rounding: prices.rounding };
    const loads = prefillLoads(problem, layer, own);
    return {
      plan: own,
      prefill: prefillLayerTime({ promptTokens: workload.promptTokens, ...loads }, hardware),
      decode: decodeLayerTime(remoteShares(layer, own?.remote ?? []), own ? decodeReplicas(own) : 1, hardware),
    };
  });
}

function countedShares({ sizes, demand }: PlanningProblem): RemoteShares {
  return (layer, remote) => {
    const sets = demand.sets[layer];
    if (sets === undefined) throw new RangeError(`no sets of layer ${layer}`);
    return countRemoteRows(sets, remote, sizes);
  };
}

function hasCopies({ remote, replicas }: LayerPlan): boolean {
  return sum(replicas, ({ length }) => length) > remote.length;
}

/** Decode asks as few replicas as can be: one that holds nothing but what earlier ones hold is never called. */
function decodeReplicas(own: LayerPlan): number {
  if (!hasCopies(own)) return own.replicas.length;
  const seen = new Set<number>();
  const called = own.replicas.filter((experts) => {
    const before = seen.size;
    for (const expert of experts) seen.add(expert);
    return seen.size > before;
  });
  return called.length;
}

function prefillLoads({ sizes, demand, workload }: PlanningProblem, layer: number, own: LayerPlan | undefined) {
  const rows = workload.promptTokens * sizes.expertsPerToken;
  const shares = demand.matrix.subarray(layer * sizes.experts, (layer + 1) * sizes.experts);
  const isRemote = new Uint8Array(sizes.experts);
  for (const expert of own?.remote ?? []) isRemote[expert] = 1;
  const local: number[] = [];
  for (let expert = 0; expert < sizes.experts; expert++) if (isRemote[expert] === 0) local.push(expert);
  const given = own === undefined ? [] : prefillReplicas(own, (expert) => rows * (shares[expert] as number));
  return {
    local: loadOfAll(local, shares, rows),
    remote: given.map((experts) => loadOfAll(experts, shares, rows)),
  };
}

/** Whom prefill asks: experts that several replicas hold go, longest first, to the least loaded of these (LPT). */
function prefillReplicas(own: LayerPlan, rowsOf: (expert: number) => number): LayerPlan["replicas"] {
  if (!hasCopies(own)) return own.replicas;
  const given = own.replicas.map((held) => ({ held, experts: [] as number[], rows: 0 }));
  for (const expert of own.remote.toSorted((a, b) => rowsOf(b) - rowsOf(a))) {
    const holders = given.filter(({ held }) => held.includes(expert));
    const least = holders.reduce((best, each) => (each.rows < best.rows ? each : best));
    least.experts.push(expert);
    least.rows += rowsOf(expert);
  }
  return given.map(({ experts }) => experts);
}

function violations(
  { slo, margin }: PlanningProblem,
  plan: Plan,
  { ttftMs, tpotMs }: Pick<Evaluation, "ttftMs" | "tpotMs">,
): Violation[] {
  const own = margin[kindOf(plan)];
  return [...violation("ttft", slo.ttftMs, own.ttft * ttftMs), ...violation("tpot", slo.tpotMs, own.tpot * tpotMs)];
}

function violation(objective: Violation["objective"], limitMs: number | null, expectedMs: number): Violation[] {
  return limitMs === null || expectedMs <= limitMs ? [] : [{ objective, limitMs, expectedMs }];
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

import { coldStarts } from "./cold-starts.ts";
import { costParts, type TimedLayer } from "./cost-parts.ts";
import type { CostProfile, MainTimes } from "./cost-profile.ts";
import type { Devices, Evaluation, Placement, Violation } from "./evaluation.ts";
import { CountedLayers, decodeReplicas, type LayerCounts } from "./layer-counts.ts";
import { decodeLayerTime, expertSpeed, prefillLayerTime } from "./layer-time.ts";
import type { Plan } from "./plan.ts";
import { kindOf } from "./plan-kind.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { toVcpus } from "./specs.ts";
import { timeAt } from "./speed-curve.ts";

/**
 * What a placement takes and costs by the latency and cost model of Remoe (arXiv 2512.18674, sections on latency and
 * cost), with one invocation for all remote rows of a layer and step.
 *
 * TTFT = gateway + T^cold + PT, PT = τ^f(N^in) + Σ_l PT^e_l; TPOT = GT / N^out, GT = N^out (τ^f(1) + Σ_l GT^e_l);
 * cost = C^loc + C^rem + cold starts, each function's billed time at its memory's price, and what the platform asks for
 * expert functions that wait for their next call (ours; the paper's functions cost nothing while they are idle).
 *
 * @param counts for who evaluates many placements of this problem; by default each is counted anew
 * @throws RangeError for devices the profile has no times of, and for a split layer of which no set is known
 */
export function evaluate(
  problem: PlanningProblem,
  placement: Placement,
  counts: LayerCounts = new CountedLayers(problem),
): Evaluation {
  const { workload, profile, sizes } = problem;
  const { plan, devices } = placement;
  const times = kindOf(plan) === "split" ? splitTimes(profile, devices) : mainTimes(profile, devices);
  const layers = layerTimes({ problem, plan, times, counts });
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
  readonly counts: LayerCounts;
}

/** Of every layer with experts. */
function layerTimes({ problem, plan, times, counts }: Layered): TimedLayer[] {
  const { sizes, profile, prices, workload } = problem;
  const local = expertSpeed(times.experts, toVcpus(plan.specMain.memoryMb));
  return Array.from({ length: sizes.layers }, (_, layer) => {
    const own = plan.layers.find((each) => each.layer === layer && each.remote.length > 0);
    const remote = own === undefined ? local : expertSpeed(profile.remote, toVcpus(own.memoryMb));
    const { wire, contention } = profile;
    const hardware = { local, remote, wire, contention, rounding: prices.rounding };
    const loads = counts.prefillLoads(layer, own);
    return {
      plan: own,
      prefill: prefillLayerTime({ promptTokens: workload.promptTokens, ...loads }, hardware),
      decode: decodeLayerTime(counts.remoteShares(layer, own?.remote ?? []), own ? decodeReplicas(own) : 1, hardware),
    };
  });
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

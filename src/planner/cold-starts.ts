import type { CostProfile, StartTime } from "./cost-profile.ts";
import type { Devices, Placement } from "./evaluation.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";

/** An instance that is started for a request. */
export interface Start {
  readonly memoryMb: number;
  /** Until it is ready, from the beginning of all starts. */
  readonly ms: number;
}

/** Starts of all a plan's instances at the same time, the main function's first; T^cold is the longest of them. */
export function coldStarts(
  { sizes, profile }: Pick<PlanningProblem, "sizes" | "profile">,
  { plan, devices }: Placement,
): Start[] {
  const { experts, parallel } = profile.coldStart;
  const main = mainStart(profile, devices);
  const alone = [
    { memoryMb: plan.specMain.memoryMb, ms: startMs(main, mainWeightMb(sizes, plan)) },
    ...instancesOf(sizes, plan.layers).map(({ memoryMb, weightMb }) => ({ memoryMb, ms: startMs(experts, weightMb) })),
  ];
  return shareProcessors(alone, parallel);
}

/** Of a main function on the processor alone or with a device. */
export function mainStart({ coldStart: { main, deviceMs } }: CostProfile, devices: Devices): StartTime {
  return devices === "cpu" ? main : { ...main, fixedMs: main.fixedMs + deviceMs };
}

/** What no plan's functions start faster than: a main function without any experts. */
export function leastStartMs({ sizes, profile }: Pick<PlanningProblem, "sizes" | "profile">): number {
  return startMs(profile.coldStart.main, sizes.nonExpertMb);
}

function startMs({ fixedMs, perMb }: StartTime, weightMb: number): number {
  return fixedMs + weightMb * perMb;
}

function mainWeightMb({ nonExpertMb, experts, expertMb }: ModelSizes, { layers }: Plan): number {
  const remoteMb = layers.reduce((sum, { layer, remote }) => sum + remote.length * (expertMb[layer] as number), 0);
  return nonExpertMb + experts * expertMb.reduce((sum, mb) => sum + mb, 0) - remoteMb;
}

/** Instances of expert functions: layers may share a function, whose j-th instance holds the j-th replica of each. */
function instancesOf({ expertMb }: ModelSizes, layers: readonly LayerPlan[]) {
  const functions = new Map<string, { memoryMb: number; weightMb: number }[]>();
  for (const { layer, function: name, memoryMb, replicas, remote } of layers) {
    if (remote.length === 0) continue;
    const instances = functions.get(name) ?? [];
    functions.set(name, instances);
    for (let index = 0; index < replicas.length; index++) {
      const weightMb = (replicas[index] as readonly number[]).length * (expertMb[layer] as number);
      const shared = instances[index];
      if (shared === undefined) instances.push({ memoryMb, weightMb });
      else shared.weightMb += weightMb;
    }
  }
  return [...functions.values()].flat();
}

/**
 * More starts than `parallel` slow each other down, all by the same factor, until the shortest of them is done; then the
 * others go on faster.
 */
function shareProcessors(starts: readonly Start[], parallel: number | null): Start[] {
  if (parallel === null) return [...starts];
  const ends = new Map<Start, number>();
  let [done, now] = [0, 0];
  for (const [ended, start] of starts.toSorted((a, b) => a.ms - b.ms).entries()) {
    const running = starts.length - ended;
    now += (start.ms - done) * Math.max(1, running / parallel);
    done = start.ms;
    ends.set(start, now);
  }
  return starts.map((start) => ({ ...start, ms: ends.get(start) as number }));
}

import { uniformMatrix } from "../predictor/activation-matrix.ts";
import { splitDevices } from "./evaluate.ts";
import { largestPlan } from "./largest-plan.ts";
import type { LoadBound } from "./load-bound.ts";
import { expertsNeedMb, mainNeedMb } from "./memory-needs.ts";
import type { PlanningProblem } from "./problem.ts";
import { smallestSpec } from "./specs.ts";
import { selectUniform } from "./uniform-selection.ts";
import { missOf } from "./violation.ts";
import { type WorstCase, worstCase } from "./worst-case.ts";

/** What the main function is started with before the prompt is looked at. */
export interface MainMemory {
  readonly memoryMb: number;
  /** b: the share of every layer's experts that is remote. */
  readonly remoteRatio: number;
  /** With the largest expert functions. With violations it is the least that any memory and ratio miss. */
  readonly worst: WorstCase;
}

/**
 * Main Model Pre-allocation of Remoe (arXiv 2512.18674): the greatest remote ratio, and with it the least memory, that
 * keeps the objectives in the worst case. It knows the workload and the profile, no prediction.
 *
 * From b = 1 down in steps of ε = 1/K (larger ones with many experts), M(b) = max(M^min + M^e(b), M^cal) rounded up to
 * a size there is. M^cal, which buys processors, is the largest expert function's size at first; if no b will do it is
 * the least main size with which one does, where the paper gives up.
 * @returns `null` where no ratio fits into the largest sizes
 */
export function* mmp(problem: PlanningProblem, bound: LoadBound): Generator<void, MainMemory | null, void> {
  const sizes = problem.specs.main;
  const at = (index: number) => leastMissing({ problem, bound, leastMb: sizes[index] as number });
  const first = sizes.findIndex((size) => size >= Math.max(0, ...problem.specs.experts));
  let [low, high] = [first === -1 ? sizes.length - 1 : first, sizes.length - 1];
  const start = yield* at(low);
  if (isKept(start) || low === high) return start;
  let best = yield* at(high);
  // More memory never takes longer: what the largest size misses, all miss.
  while (isKept(best) && high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const found = yield* at(middle);
    if (isKept(found)) [high, best] = [middle, found];
    else low = middle;
  }
  return best;
}

function isKept(main: MainMemory | null): boolean {
  return main?.worst.violations.length === 0;
}

/** Steps from b = 1 to 0 at most: finer ones change memory by less than a fiftieth. */
const STEPS = 64;

/** The first ratio that keeps the objectives with at least so much memory, else the one that misses them least. */
function* leastMissing(attempt: Attempt): Generator<void, MainMemory | null, void> {
  let best: MainMemory | null = null;
  const step = Math.ceil(attempt.problem.sizes.experts / STEPS);
  for (let count = mostRemote(attempt.problem); ; count = Math.max(0, count - step)) {
    const main = tryCount(attempt, count);
    if (main === null || isKept(main)) return main ?? best;
    if (best === null || missOf(main.worst.violations) < missOf(best.worst.violations)) best = main;
    if (count === 0) return best;
    yield;
  }
}

interface Attempt {
  readonly problem: PlanningProblem;
  readonly bound: LoadBound;
  readonly leastMb: number;
}

function tryCount({ problem, bound, leastMb }: Attempt, count: number): MainMemory | null {
  const { sizes, profile, specs } = problem;
  const devices = splitDevices(profile);
  const neededMb = mainNeedMb(
    sizes,
    devices,
    sizes.expertMb.map(() => count),
  );
  const memoryMb = smallestSpec(specs.main, Math.max(neededMb, leastMb));
  if (memoryMb === null) return null;
  const unseen = { ...problem, demand: { matrix: uniformMatrix(sizes), sets: [] } };
  const remoteRatio = count / sizes.experts;
  const plan = largestPlan(unseen, { mainMb: memoryMb, selection: selectUniform(unseen, remoteRatio), bound });
  return { memoryMb, remoteRatio, worst: worstCase(unseen, bound, { plan, devices }) };
}

/** Experts of every layer that the largest expert function can hold. */
function mostRemote({ sizes, specs }: PlanningProblem): number {
  const largest = Math.max(0, ...specs.experts);
  const fits = (count: number): boolean =>
    sizes.expertMb.every((_, layer) => expertsNeedMb(sizes, layer, count) <= largest);
  let count = sizes.experts;
  while (count > 0 && !fits(count)) count--;
  return count;
}

import { createRandom } from "../src/core/random.ts";
import type { Evaluation } from "../src/planner/evaluation.ts";
import { exact } from "../src/planner/exact.ts";
import { mainNeedMb } from "../src/planner/memory-needs.ts";
import { type Planner, planNow } from "../src/planner/planner.ts";
import type { ModelSizes, PlanningProblem, Specs } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { type ModelShape, specsOf } from "../src/profile/modelled/model-shape.ts";
import { planningProblems, SETTINGS, sizesOf, syntheticDemands } from "./plan-problems.ts";

/** How much more the planner's plans cost than the cheapest there are, as a share of these. */
export interface Gap {
  readonly instances: number;
  /** Instances that no plan meets the objectives of. */
  readonly infeasible: number;
  /** Instances that one does, but not the planner's. */
  readonly missed: number;
  /** Instances whose cheapest plan has remote experts. */
  readonly split: number;
  /** Over all that are neither infeasible nor missed; `null` without any. */
  readonly mean: number | null;
  readonly worst: number | null;
}

export interface GapOptions {
  readonly shape: ModelShape;
  readonly instances: number;
  readonly seed: number;
}

/** Compares the planner with the exact optimum on small models in a shape's manner. */
export function* gapToExact({ shape, instances, seed }: GapOptions): Generator<void, Gap, void> {
  const random = createRandom(seed);
  const pairs: Pair[] = [];
  for (let i = 0; i < instances; i++) {
    pairs.push(...solve(reducedProblem(shape, random)));
    yield;
  }
  const gaps = pairs.flatMap(({ own, optimum }) => (own === null ? [] : [own.cost / optimum.cost - 1]));
  return {
    instances,
    infeasible: instances - pairs.length,
    missed: pairs.length - gaps.length,
    split: pairs.filter(({ optimum }) => optimum.remoteCalls > 0).length,
    mean: gaps.length === 0 ? null : gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length,
    worst: gaps.length === 0 ? null : Math.max(...gaps),
  };
}

interface Pair {
  readonly optimum: Evaluation;
  /** `null` if it misses the objectives. */
  readonly own: Evaluation | null;
}

/** None if no plan meets the objectives. */
function solve(problem: PlanningProblem): Pair[] {
  const optimum = feasible(exact, problem);
  return optimum === null ? [] : [{ optimum, own: feasible(remoe, problem) }];
}

function feasible(planner: Planner, problem: PlanningProblem): Evaluation | null {
  const decision = planNow(planner, problem);
  return decision?.feasible === true ? decision.evaluation : null;
}

const SLACKS = [null, 3, 1.2, 0.9] as const;
const LAYERS = [2, 3] as const;
const EXPERTS = [4, 10] as const;
const SIZES = { main: 8, experts: 10, maxReplicas: 2 };
/** The most memory beside all that a small model needs: there processors, not weights, decide sizes. */
const LARGEST_MB = 8192;

/** Few layers and experts of the shape's size, on its hardware, at its prices. */
function reducedProblem(shape: ModelShape, random: () => number): PlanningProblem {
  const whole = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const layers = whole(...LAYERS);
  const experts = whole(...EXPERTS);
  const small = {
    ...shape,
    layers,
    experts,
    expertsPerToken: whole(1, Math.min(3, shape.expertsPerToken)),
    denseLayers: 0,
    // The head keeps its share of the non-expert modules.
    vocabulary: Math.ceil((shape.vocabulary * layers) / shape.layers),
  };
  // Where everything is light, calls cost more than any memory that they save, and nothing is ever split.
  const weight = ((shape.layers * shape.experts) / (layers * experts)) ** random();
  const setting = SETTINGS[whole(0, SETTINGS.length - 1)] ?? SETTINGS[0];
  const slack = SLACKS[whole(0, SLACKS.length - 1)] ?? null;
  const [problem] = planningProblems({
    shape: small,
    setting,
    slack,
    specs: reducedSpecs(shape, weigh(sizesOf(small), weight)),
    demands: syntheticDemands(small, { count: 1, seed: whole(0, 2 ** 20) }),
  });
  if (problem === undefined) throw new RangeError("no problem");
  return { ...problem, sizes: weigh(problem.sizes, weight) };
}

/** With experts so many times as heavy, for the same work: one stands for several, up to all of the shape. */
function weigh(sizes: ModelSizes, weight: number): ModelSizes {
  return { ...sizes, expertMb: sizes.expertMb.map((mb) => mb * weight) };
}

/** Main functions from what hardly anything needs to more than all does; some of the shape's sizes for experts. */
function reducedSpecs(shape: ModelShape, sizes: ModelSizes): Specs {
  const least = mainNeedMb(
    sizes,
    "mix",
    sizes.expertMb.map(() => sizes.experts),
  );
  const most = LARGEST_MB + mainNeedMb(sizes, "cpu", []);
  const all = specsOf(shape).experts;
  const step = Math.ceil(all.length / SIZES.experts);
  return {
    main: Array.from({ length: SIZES.main }, (_, i) => Math.ceil(least * (most / least) ** (i / (SIZES.main - 1)))),
    experts: all.filter((_, i) => i % step === 0),
    maxReplicas: SIZES.maxReplicas,
  };
}

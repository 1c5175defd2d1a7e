import { loadavg } from "node:os";
import { readProfile } from "../src/cli/read-profile.ts";
import { readGguf } from "../src/gguf/read.ts";
import { readTransformer } from "../src/model/registry.ts";
import type { Workload } from "../src/planner/problem.ts";
import { type ModelShape, SHAPES, specsOf } from "../src/profile/modelled/model-shape.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type MmpCoverage, measureMmpCoverage } from "./mmp-coverage.ts";
import { type Check, checkCosts } from "./plan-checks.ts";
import { type MemoryCurve, measuredCurve, modelledCurve, type PhaseTimes, phaseTimes } from "./plan-figures.ts";
import { planningProblems, SETTINGS, syntheticDemands, WORKLOAD } from "./plan-problems.ts";
import { benchShape, type ShapeOptions, type ShapeResult } from "./plan-shape.ts";

/** What planners decide for published models on modelled hardware, how long that takes, and how near it is to the best. */
export interface PlanBenchOptions extends ShapeOptions {
  readonly shapes: readonly string[];
  /** Histories to learn from and to be asked about, for the coverage of worst cases. */
  readonly histories: { readonly history: string; readonly test: string } | null;
  /** A measured profile, and the model it is of. */
  readonly measured: { readonly profile: string; readonly model: string } | null;
}

export interface PlanBenchmark {
  readonly schemaVersion: 1;
  /** That planned; what it planned for is modelled. */
  readonly machine: Machine;
  readonly date: string;
  /** Load average over a minute, before and after. */
  readonly load: readonly [number, number];
  readonly seed: number;
  readonly workload: Workload;
  readonly shapes: readonly ShapeResult[];
  readonly checks: readonly Check[];
  /** Fig. 5 and 6 of the paper. */
  readonly phases: readonly PhaseTimes[];
  readonly memory: readonly MemoryCurve[];
  /** `null` without histories. */
  readonly coverage: MmpCoverage | null;
}

export const SHAPE_NAMES: readonly string[] = [...SHAPES.keys()];

export async function benchPlan(options: PlanBenchOptions): Promise<PlanBenchmark> {
  const { histories, measured, seed } = options;
  const before = loadavg()[0] ?? 0;
  const chosen = [...SHAPES.values()].filter(({ name }) => options.shapes.includes(name));
  const shapes: ShapeResult[] = [];
  for (const shape of chosen) shapes.push(await benchShape(shape, options));
  const shown = chosen.filter(({ name }) => FIGURE_SHAPES.includes(name)).map((shape) => figureProblem(shape, seed));
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    load: [before, loadavg()[0] ?? 0],
    seed,
    workload: WORKLOAD,
    shapes,
    checks: checkCosts(shapes),
    phases: shown.flatMap(phaseTimes),
    memory: [...shown.map(modelledCurve), ...(measured === null ? [] : [readCurve(measured)])],
    coverage: histories === null ? null : await measureMmpCoverage(histories),
  };
}

/** Models of the paper's figures. */
const FIGURE_SHAPES: readonly string[] = ["gpt2-moe", "deepseek-v2-lite"];

/** In the paper's setting, without objectives. */
function figureProblem(shape: ModelShape, seed: number) {
  const demands = syntheticDemands(shape, { count: 1, seed });
  const [problem] = planningProblems({ shape, setting: SETTINGS[0], specs: specsOf(shape), slack: null, demands });
  if (problem === undefined) throw new RangeError("no request");
  return problem;
}

function readCurve({ profile, model }: { readonly profile: string; readonly model: string }): MemoryCurve {
  const file = readGguf(model);
  const { expertsPerToken } = readTransformer(file).hyper;
  return measuredCurve(readProfile(profile, file.metadata.stringOr("general.name", "")), expertsPerToken);
}

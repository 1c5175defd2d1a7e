import { median, quantile, type Spread, spread } from "../src/core/stats.ts";
import { PRACTICE_PLANS } from "../src/gateway/request-planning.ts";
import { planNow } from "../src/planner/planner.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { type ModelShape, specsOf } from "../src/profile/modelled/model-shape.ts";
import type { PlanCase } from "./plan-checks.ts";
import { comparePlanners } from "./plan-comparison.ts";
import { timeDecisions } from "./plan-decision.ts";
import { type Gap, gapToExact } from "./plan-gap.ts";
import { planningProblems, SETTINGS, syntheticDemands } from "./plan-problems.ts";
import { type Clocks, timePlan } from "./plan-timing.ts";

export interface ShapeOptions {
  /** Requests to each shape. */
  readonly prompts: number;
  /** Small problems of each shape that are compared with the exact optimum. */
  readonly instances: number;
  readonly seed: number;
  readonly onProgress: (text: string) => void;
}

export interface ShapeResult {
  readonly name: string;
  readonly layers: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Time to plan one request, over those of all cases: median, 95th percentile, and all of it. */
  readonly planMs: number;
  readonly planP95Ms: number;
  readonly planSpread: Spread;
  /** The same, by the processor's time alone: median. */
  readonly planProcessorMs: number;
  /** Time to plan one request whose functions have to be started: median, 95th percentile. */
  readonly coldPlanMs: number;
  readonly coldPlanP95Ms: number;
  /**
   * What requests wait for in a gateway: those that a plan is made for, in one to three searches, median and 95th
   * percentile; and those that find theirs, median.
   */
  readonly decisionMs: number;
  readonly decisionP95Ms: number;
  readonly cachedDecisionMs: number;
  /** Between two yields: as long as streams of a gateway wait. */
  readonly longestStepMs: number;
  /** Mean share by which plans of small problems cost more than the cheapest; `null` where none could be compared. */
  readonly gapToExact: number | null;
  readonly gap: Gap;
  /** Mean over feasible requests with {@link HEADLINE_SLACK} in the first setting; `null` without any. */
  readonly costRemoe: number | null;
  readonly costPaper: number | null;
  readonly cases: readonly PlanCase[];
}

/** Loose; what one function just keeps; and what it does not, whatever its memory. */
const SLACKS = [3, 1.2, 0.9] as const;
/** Of the case that stands for a shape. */
export const HEADLINE_SLACK = 1.2;

const CLOCKS: Clocks = {
  wall: () => performance.now(),
  processor: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

export async function benchShape(shape: ModelShape, options: ShapeOptions): Promise<ShapeResult> {
  const cases = await runCases(shape, options);
  const gap = findGap(shape, options);
  const times = cases.flatMap(({ planTimesMs }) => planTimesMs);
  const coldTimes = cases.flatMap(({ coldTimesMs }) => coldTimesMs);
  const decisionTimes = cases.flatMap(({ decisionTimesMs }) => decisionTimesMs);
  const headline = cases.find(({ slack }) => slack === HEADLINE_SLACK);
  const costOf = (name: string) => headline?.planners.find(({ planner }) => planner === name)?.cost ?? null;
  return {
    name: shape.name,
    layers: shape.layers,
    experts: shape.experts,
    expertsPerToken: shape.expertsPerToken,
    planMs: median(times),
    planP95Ms: quantile(times, 0.95),
    planSpread: spread(times),
    planProcessorMs: median(cases.flatMap(({ processorTimesMs }) => processorTimesMs)),
    coldPlanMs: median(coldTimes),
    coldPlanP95Ms: quantile(coldTimes, 0.95),
    decisionMs: median(decisionTimes),
    decisionP95Ms: quantile(decisionTimes, 0.95),
    cachedDecisionMs: median(cases.flatMap(({ cachedTimesMs }) => cachedTimesMs)),
    longestStepMs: Math.max(...cases.flatMap(longestSteps)),
    gapToExact: gap.mean,
    gap,
    costRemoe: costOf("remoe"),
    costPaper: costOf("paper"),
    cases,
  };
}

function longestSteps({ longestStepMs, coldLongestStepMs, decisionLongestStepMs }: PlanCase): number[] {
  return [longestStepMs, coldLongestStepMs, decisionLongestStepMs];
}

async function runCases(shape: ModelShape, { prompts, seed, onProgress }: ShapeOptions): Promise<PlanCase[]> {
  onProgress(`${shape.name}: prompts`);
  const demands = syntheticDemands(shape, { count: prompts, seed });
  const unlike = syntheticDemands(shape, { count: 1, seed: seed + 1 });
  const cases: PlanCase[] = [];
  for (const setting of SETTINGS) {
    for (const slack of SLACKS) {
      onProgress(`${shape.name}: ${setting.prices}, objectives × ${slack}`);
      const options = { shape, setting, specs: specsOf(shape), slack };
      const [warm, cold] = [false, true].map((isCold) => {
        practise(planningProblems({ ...options, demands: unlike, isCold }));
        return planningProblems({ ...options, demands, isCold });
      }) as [PlanningProblem[], PlanningProblem[]];
      const compared = { ...comparePlanners(warm, CLOCKS), ...timeCold(cold) };
      cases.push({ setting, slack, ...compared, ...(await timeDecisions(cold, CLOCKS.wall)) });
    }
  }
  return cases;
}

function timeCold(problems: readonly PlanningProblem[]): Pick<PlanCase, "coldTimesMs" | "coldLongestStepMs"> {
  const timed = problems.map((problem) => timePlan(remoe, problem, CLOCKS));
  return {
    coldTimesMs: timed.map(({ ms }) => ms),
    coldLongestStepMs: Math.max(...timed.map(({ longestStepMs }) => longestStepMs)),
  };
}

/** As a gateway does beside the start of its first functions. */
function practise(problems: readonly PlanningProblem[]): void {
  for (const problem of problems) {
    for (let plan = 0; plan < PRACTICE_PLANS; plan++) planNow(remoe, problem);
  }
}

function findGap(shape: ModelShape, { instances, seed, onProgress }: ShapeOptions): Gap {
  const steps = gapToExact({ shape, instances, seed });
  for (let compared = 0; ; compared++) {
    onProgress(`${shape.name}: ${compared} of ${instances} exact optima`);
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

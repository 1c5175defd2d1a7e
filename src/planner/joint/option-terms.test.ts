import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/random.ts";
import { evaluate, splitDevices } from "../evaluate.ts";
import { planNow } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { randomInstance, withIdlePrices } from "../testing/random-instance.ts";
import { budgetOf } from "./budget.ts";
import { decideSplit } from "./decide-split.ts";
import { mainFunction } from "./main-function.ts";
import type { OptionGrid } from "./option-grid.ts";
import { OptionTerms } from "./option-terms.ts";
import { fullGrid } from "./testing/full-grid.ts";

interface Tables {
  readonly problem: PlanningProblem;
  /** Of the main function. */
  readonly memoryMb: number;
  /** What the expert functions are that are held, where that costs something. */
  readonly held?: number;
}

function tablesOf({ problem, memoryMb, held }: Tables) {
  const grid = fullGrid(problem, 2);
  const { profile } = problem;
  const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
  const budget = budgetOf(problem, main, held === undefined ? null : grid.columns[held]);
  const terms = new OptionTerms(grid);
  terms.fill(main, budget, { from: 0, end: grid.columns.length });
  return { grid, terms, main, budget };
}

/** Some possible option of each layer. */
function drawOptions(grid: OptionGrid, random: () => number, isOfInterest: (at: number) => boolean): number[] {
  return grid.demands.map((_, layer) => {
    const options = Array.from(
      { length: grid.firstOf(layer + 1) - grid.firstOf(layer) },
      (__, i) => grid.firstOf(layer) + i,
    );
    const possible = options.filter((at) => Number.isFinite(grid.cost[at]) && isOfInterest(at));
    return possible[Math.floor(random() * possible.length)] as number;
  });
}

describe("a grid's tables", () => {
  it.each(["warm", "cold"])(
    "say what evaluate says of any %s combination of options, but no more of its start, which may be shared",
    (state) => {
      for (let seed = 0; seed < 150; seed++) {
        const random = createRandom(seed);
        const problem = randomInstance(seed, { isCold: state === "cold" });
        const memoryMb = Math.max(...problem.specs.main);
        const { grid, terms, main, budget } = tablesOf({ problem, memoryMb });
        const options = drawOptions(grid, random, () => true);
        const total = (of: (option: number) => number): number => options.reduce((sum, option) => sum + of(option), 0);
        const placement = planNow(
          { name: "given", plan: () => decideSplit(grid, memoryMb, [{ options }]) },
          problem,
        )?.placement;
        if (placement === undefined || placement.plan.layers.length === 0) continue;
        const alone = placement.plan.layers.map((layer) => ({ ...layer, function: `experts-${layer.layer}` }));
        const said = evaluate(problem, { ...placement, plan: { ...placement.plan, layers: alone } });
        const prefillMs = total((at) => terms.prefillMs[at] as number);
        const tokenMs = total((at) => terms.tokenMs[at] as number);
        expect(main.prefillMs + prefillMs).toBeCloseTo(said.prefillMs, 8);
        expect(problem.workload.outputTokens * (main.tokenMs + tokenMs)).toBeCloseTo(said.decodeMs, 8);
        const cost = budget.baseCost + total((at) => terms.cost[at] as number);
        if (state === "warm") expect(cost / said.cost).toBeCloseTo(1, 9);
        else expect(cost / Math.min(said.cost, evaluate(problem, placement).cost)).toBeLessThanOrEqual(1 + 1e-9);
      }
    },
  );

  it("say it of layers that share the one function that holds what the main function does not", () => {
    for (let seed = 0; seed < 150; seed++) {
      const problem = withIdlePrices(randomInstance(seed, { isCold: false }), 0.5);
      const held = problem.specs.experts.length - 1;
      const memoryMb = Math.max(...problem.specs.main);
      const { grid, terms, budget } = tablesOf({ problem, memoryMb, held });
      const options = drawOptions(grid, createRandom(seed), (at) => at % grid.columns.length === held);
      const layers = options.flatMap((at, layer) => (grid.rowOf(at).remote > 0 ? [layer] : []));
      const isOneEnough = budget.roomMb <= (problem.specs.experts[held] as number);
      if (layers.length === 0 || !isOneEnough) continue;
      const chosen = { options, sharing: [layers] };
      const decision = planNow({ name: "given", plan: () => decideSplit(grid, memoryMb, [chosen]) }, problem);
      const cost = options.reduce((sum, at) => sum + (terms.cost[at] as number), budget.baseCost);
      expect(cost / (decision?.evaluation.cost ?? 0)).toBeCloseTo(1, 9);
    }
  });
});

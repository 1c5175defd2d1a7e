import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/random.ts";
import { evaluate, splitDevices } from "../evaluate.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { PlanningProblem } from "../problem.ts";
import { randomInstance } from "../testing/random-instance.ts";
import { type Budget, budgetOf } from "./budget.ts";
import { mainFunction } from "./main-function.ts";
import { OptionTerms } from "./option-terms.ts";
import { FREE, raiseBound } from "./raise-bound.ts";
import { type BoundAt, Relaxation, type Relaxed } from "./relaxation.ts";
import type { TimePrices } from "./tangent-planes.ts";
import { fullGrid } from "./testing/full-grid.ts";

/** Objectives that some of the experts have to be local, and some remote, for: beside a main function too small for all. */
function openProblem(seed: number): { readonly boundAt: BoundAt; readonly budget: Budget } {
  const random = createRandom(seed);
  const free = randomInstance(seed, { isCold: false });
  const { sizes, profile, margin } = free;
  const devices = splitDevices(profile);
  const [least, all] = [
    mainNeedMb(
      sizes,
      devices,
      sizes.expertMb.map(() => sizes.experts),
    ),
    mainNeedMb(sizes, devices, []),
  ];
  const memoryMb = least + (0.2 + 0.7 * random()) * (all - least);
  const local = evaluate(free, { plan: { specMain: { memoryMb }, layers: [] }, devices });
  const slo = {
    ttftMs: (1 + random()) * margin.split.ttft * local.ttftMs,
    tpotMs: (1 + random()) * margin.split.tpot * local.tpotMs,
  };
  const problem: PlanningProblem = { ...free, slo };
  const terms = new OptionTerms(fullGrid(problem));
  const main = mainFunction(problem, { memoryMb, devices, times: profile.split });
  const budget = budgetOf(problem, main);
  const columns = { from: 0, end: terms.grid.columns.length };
  terms.fill(main, budget, columns);
  return { boundAt: new Relaxation(terms).open(budget, columns), budget };
}

/** From next to nothing to well above what time costs. */
function drawPrices({ tokenPrice, prefillPrice }: Budget, random: () => number): TimePrices {
  const price = (own: number): number => (random() < 0.2 ? 0 : own * 10 ** (4 * random() - 2));
  return { token: price(tokenPrice), ttft: price(prefillPrice) };
}

function raise({ boundAt, budget }: ReturnType<typeof openProblem>, start: TimePrices): readonly Relaxed[] {
  const steps = raiseBound(boundAt, budget, { start, enough: Number.POSITIVE_INFINITY });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

const INSTANCES = 150;

describe("a relaxation", () => {
  it("tells a tangent with each bound: no other prices' bound is above it", () => {
    for (let seed = 0; seed < INSTANCES; seed++) {
      const { boundAt, budget } = openProblem(seed);
      const random = createRandom(seed);
      const points = Array.from({ length: 12 }, () => boundAt(drawPrices(budget, random)));
      for (const at of points) {
        for (const other of points) {
          if (at === null || other === null) continue;
          const [from, to] = [at.multipliers, other.multipliers];
          const tangent = at.bound + at.slope.token * (to.token - from.token) + at.slope.ttft * (to.ttft - from.ttft);
          const rounding = 1e-7 * (Math.abs(at.bound) + Math.abs(other.bound));
          expect(other.bound, `instance ${seed}`).toBeLessThanOrEqual(tangent + rounding);
        }
      }
    }
  });
});

describe("raising a bound", () => {
  it("ends within a thousandth of the highest, from wherever it begins", () => {
    let raised = 0;
    for (let seed = 0; seed < INSTANCES; seed++) {
      const problem = openProblem(seed);
      const random = createRandom(seed);
      const starts = [FREE, drawPrices(problem.budget, random), drawPrices(problem.budget, random)];
      const bounds = starts.map((start) => raise(problem, start)[0]?.bound ?? 0);
      const others = Array.from({ length: 40 }, () => problem.boundAt(drawPrices(problem.budget, random)));
      const highest = Math.max(...bounds, ...others.map((other) => other?.bound ?? 0));
      for (const bound of bounds) expect(bound, `instance ${seed}`).toBeGreaterThan(highest * 0.999);
      if ((problem.boundAt(FREE)?.bound ?? 0) < 0.999 * highest) raised++;
    }
    expect(raised).toBeGreaterThan(10);
  });

  it("nearly always tells prices that keep the limits, where there are any", () => {
    const said = { kept: 0, missed: 0 };
    for (let seed = 0; seed < INSTANCES; seed++) {
      const problem = openProblem(seed);
      const { budget, boundAt } = problem;
      const keeps = (relaxed: Relaxed): boolean => relaxed.tokenMs <= budget.tokenMs && relaxed.ttftMs <= budget.ttftMs;
      const dear = boundAt({ token: 1e3 * budget.tokenPrice, ttft: 1e3 * budget.prefillPrice });
      if (dear === null || !keeps(dear)) continue;
      said[raise(problem, FREE).some(keeps) ? "kept" : "missed"]++;
    }
    expect(said.kept).toBeGreaterThan(50);
    expect(said.missed / said.kept).toBeLessThan(0.02);
  });
});

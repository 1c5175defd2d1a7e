import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseCheapest } from "../choose-cheapest.ts";
import { evaluate } from "../evaluate.ts";
import type { PlanningProblem } from "../problem.ts";
import { tinyProblem } from "../testing/tiny-problem.ts";
import { type SizeFamily, searchSizes } from "./size-search.ts";
import { arbitraryProblem } from "./testing/arbitrary-problem.ts";
import { uniformSplit } from "./uniform-split.ts";

function familiesOf(problem: PlanningProblem): SizeFamily[] {
  const { main, experts } = problem.specs;
  return [2, 4].map((remote) => {
    const split = uniformSplit(problem, remote);
    return { main, experts, place: (mainMb, expertsMb) => split.place(mainMb, () => expertsMb) };
  });
}

function search(problem: PlanningProblem, families: readonly SizeFamily[]) {
  const steps = searchSizes(problem, families);
  let count = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return { decision: step.value, steps: count };
    count++;
  }
}

function searchAll(problem: PlanningProblem, families: readonly SizeFamily[]) {
  const all = families.flatMap(({ main, experts, place }) =>
    main.flatMap((mainMb) => experts.map((expertsMb) => ({ evaluation: evaluate(problem, place(mainMb, expertsMb)) }))),
  );
  return chooseCheapest(all).evaluation;
}

describe("searchSizes", () => {
  it("finds what trying everything finds", () => {
    fc.assert(
      fc.property(arbitraryProblem, (problem) => {
        const found = search(problem, familiesOf(problem)).decision?.evaluation;
        const best = searchAll(problem, familiesOf(problem));
        expect(found?.cost).toBeCloseTo(best.cost, 9);
        expect(found?.violations).toEqual(best.violations);
      }),
      { seed: 5, numRuns: 300 },
    );
  });

  it("tries few of many sizes", () => {
    const sizes = Array.from({ length: 100 }, (_, i) => 512 + 100 * i);
    const problem = { ...tinyProblem, specs: { main: sizes, experts: sizes, maxReplicas: 2 } };
    expect(search(problem, familiesOf(problem)).steps).toBeLessThan(0.05 * 2 * 100 * 100);
  });

  it("has no answer where nothing has a size that holds it", () => {
    const [family] = familiesOf(tinyProblem);
    const none = { ...(family as SizeFamily), experts: [] };
    expect(search(tinyProblem, [none]).decision).toBeNull();
    expect(search(tinyProblem, []).decision).toBeNull();
  });
});

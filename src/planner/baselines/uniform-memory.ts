import type { Planner } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { type SizeFamily, searchSizes, sizesFrom } from "./size-search.ts";
import { uniformSplit } from "./uniform-split.ts";

/** Remote ratios that are tried, beside 0: all there are with few experts. */
const MOST_RATIOS = 16;

/** One size for all expert functions and one remote ratio for all layers, both the cheapest within the objectives. */
export const uniformMemory: Planner = {
  name: "uniform-memory",
  *plan(problem) {
    return yield* searchSizes(
      problem,
      remoteCounts(problem.sizes.experts).map((remote) => familyOf(problem, remote)),
    );
  },
};

function remoteCounts(experts: number): number[] {
  const ratios = Math.min(MOST_RATIOS, experts);
  return Array.from({ length: ratios + 1 }, (_, i) => Math.round((i / ratios) * experts));
}

function familyOf(problem: PlanningProblem, remote: number): SizeFamily {
  const { specs } = problem;
  const split = uniformSplit(problem, remote);
  return {
    main: sizesFrom(specs.main, split.mainMb),
    experts: remote === 0 ? [0] : sizesFrom(specs.experts, Math.max(...split.expertsMb)),
    place: (mainMb, expertsMb) => split.place(mainMb, () => expertsMb),
  };
}

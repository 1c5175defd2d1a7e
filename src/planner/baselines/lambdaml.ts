import type { Planner } from "../planner.ts";
import { searchSizes, sizesFrom } from "./size-search.ts";
import { uniformSplit } from "./uniform-split.ts";

/** As LambdaML is used in comparisons: every expert remote, in a function of its layer, all with the most memory there is. */
export const lambdaml: Planner = {
  name: "lambdaml",
  *plan(problem) {
    const { specs, sizes } = problem;
    const split = uniformSplit(problem, sizes.experts);
    const family = {
      main: sizesFrom(specs.main, split.mainMb).slice(-1),
      experts: sizesFrom(specs.experts, Math.max(...split.expertsMb)).slice(-1),
      place: (mainMb: number, expertsMb: number) => split.place(mainMb, () => expertsMb),
    };
    return yield* searchSizes(problem, [family]);
  },
};

import type { Planner } from "../planner.ts";
import { smallestSpec } from "../specs.ts";
import { searchSizes, sizesFrom } from "./size-search.ts";
import { uniformSplit } from "./uniform-split.ts";

/**
 * Every expert remote, in a function of its layer: the cheapest sizes within the objectives. Every token then has k rows
 * in every layer, whatever the prompt is, so the best size of one layer is that of all; layers that do not fit into it
 * have the next that holds them.
 */
export const allRemote: Planner = {
  name: "all-remote",
  *plan(problem) {
    const { specs, sizes } = problem;
    const split = uniformSplit(problem, sizes.experts);
    const sizeOf = (layer: number, leastMb: number): number | null =>
      smallestSpec(specs.experts, Math.max(leastMb, split.expertsMb[layer] as number));
    const isHeld = split.expertsMb.every((_, layer) => sizeOf(layer, 0) !== null);
    const family = {
      main: sizesFrom(specs.main, split.mainMb),
      experts: isHeld ? sizesFrom(specs.experts, Math.min(...split.expertsMb)) : [],
      place: (mainMb: number, expertsMb: number) =>
        split.place(mainMb, (layer) => sizeOf(layer, expertsMb) ?? expertsMb),
    };
    return yield* searchSizes(problem, [family]);
  },
};

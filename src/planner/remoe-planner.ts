import { UNSPLIT } from "./baselines/whole-planner.ts";
import { chooseCheapest } from "./choose-cheapest.ts";
import type { Decision } from "./evaluation.ts";
import { searchSplit } from "./joint/split-search.ts";
import type { Planner } from "./planner.ts";

/**
 * Remoe's planner: the cheapest of a joint choice of the main function's memory and every layer's remote experts, their
 * memory and replicas; and of not splitting, on the processor, on a device, or with non-expert modules on one.
 */
export const remoe: Planner = {
  name: "remoe",
  *plan(problem, orElse = "nearest") {
    const decisions: (Decision | null)[] = [];
    for (const planner of UNSPLIT) decisions.push(yield* planner.plan(problem));
    const costs = decisions.map((decision) =>
      decision?.feasible === true ? decision.evaluation.cost : Number.POSITIVE_INFINITY,
    );
    decisions.push(yield* searchSplit(problem, { below: Math.min(...costs), orElse }));
    const found = decisions.filter((decision) => decision !== null);
    return found.length === 0 ? null : chooseCheapest(found);
  },
};

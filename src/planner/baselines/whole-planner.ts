import type { Devices } from "../evaluation.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { Planner } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { searchSizes, sizesFrom } from "./size-search.ts";

/**
 * One function with everything in it, as small as is cheapest within the objectives; `null` without such hardware:
 * - `cpu`: all of it on the processor;
 * - `mix`: non-expert modules on the device, experts on the processor;
 * - `gpu`: all of it on the device;
 * - `fetch`: ideal offloading. All experts in the host's memory, room for the active ones on the device, where they always
 *   are in time at no cost.
 */
export function createWholePlanner(devices: Devices): Planner {
  return {
    name: devices,
    *plan(problem) {
      if (!hasHardware(problem, devices)) return null;
      const main = sizesFrom(problem.specs.main, hostNeedMb(problem, devices));
      return yield* searchSizes(problem, [
        { main, experts: [0], place: (memoryMb) => ({ plan: { specMain: { memoryMb }, layers: [] }, devices }) },
      ]);
    },
  };
}

function hasHardware({ profile }: PlanningProblem, devices: Devices): boolean {
  return profile[devices === "fetch" ? "gpu" : devices] !== null;
}

function hostNeedMb({ sizes }: PlanningProblem, devices: Devices): number {
  return devices === "gpu" ? sizes.mainBaseMb : mainNeedMb(sizes, devices, []);
}

/** Everything in one function, on whatever hardware there is. */
export const UNSPLIT: readonly Planner[] = (["cpu", "mix", "gpu"] as const).map(createWholePlanner);

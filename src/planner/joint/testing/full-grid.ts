import type { PlanningProblem } from "../../problem.ts";
import { LayerDemand } from "../layer-demand.ts";
import { OptionGrid } from "../option-grid.ts";

/** A grid of every option, with at most so many replicas. */
export function fullGrid(problem: PlanningProblem, maxReplicas = problem.specs.maxReplicas): OptionGrid {
  const demands = problem.sizes.expertMb.map((_, layer) => new LayerDemand(problem, layer));
  const replicas = Array.from({ length: maxReplicas }, (_, i) => i + 1);
  const columns = replicas.flatMap((z) => problem.specs.experts.map((mb) => ({ memoryMb: mb, replicas: z })));
  const all = Array.from({ length: problem.sizes.experts + 1 }, (_, r) => r);
  const grid = new OptionGrid(problem, demands, { counts: demands.map(() => all), columns, isEven: false });
  for (const layer of demands.keys()) grid.fillLayer(layer);
  return grid;
}

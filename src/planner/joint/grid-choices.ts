import type { PlanningProblem } from "../problem.ts";
import type { GridChoices, OptionGrid } from "./option-grid.ts";

const COARSE_COUNTS = 17;
const COARSE_SIZES = 6;
/** Coarse counts to either side of a chosen one that a fine grid keeps. */
const NEARBY_COUNTS = 4;

export interface CoarseChoices extends GridChoices {
  /** Whether there are no others. */
  readonly isComplete: boolean;
}

/** A few of all choices, or all of them where they are few. */
export function coarseChoices({ sizes, specs }: PlanningProblem): CoarseChoices {
  const counts = spread(sizes.experts + 1, COARSE_COUNTS);
  const memories = spread(specs.experts.length, COARSE_SIZES).map((i) => specs.experts[i] as number);
  const replicas = [...new Set([1, Math.min(2, specs.maxReplicas), specs.maxReplicas])];
  const isComplete =
    counts.length === sizes.experts + 1 &&
    memories.length === specs.experts.length &&
    replicas.length === specs.maxReplicas;
  return {
    counts: sizes.expertMb.map(() => counts),
    columns: replicas.flatMap((z) => memories.map((memoryMb) => ({ memoryMb, replicas: z }))),
    isEven: !isComplete,
    isComplete,
  };
}

/** What lies between the coarse neighbours of what options of a coarse grid choose; of r also coarse ones around these. */
export function fineChoices(
  { sizes, specs }: PlanningProblem,
  coarse: OptionGrid,
  options: readonly number[],
): GridChoices {
  const coarseCounts = spread(sizes.experts + 1, COARSE_COUNTS);
  const coarseSizes = spread(specs.experts.length, COARSE_SIZES);
  const counts = sizes.expertMb.map(() => new Set([0, sizes.experts]));
  const columns = new Map<number, Set<number>>([[1, new Set()]]);
  for (const option of new Set(options)) {
    const { layer, remote } = coarse.rowOf(option);
    const { memoryMb, replicas } = coarse.columnOf(option);
    const at = coarseCounts.indexOf(remote);
    const near = coarseCounts.slice(Math.max(0, at - NEARBY_COUNTS), at + NEARBY_COUNTS + 1);
    for (const r of [...near, ...around(coarseCounts, remote)]) counts[layer]?.add(r);
    if (remote === 0) continue;
    const sizesOfColumn = columns.get(replicas) ?? new Set();
    for (const i of around(coarseSizes, specs.experts.indexOf(memoryMb))) sizesOfColumn.add(i);
    columns.set(replicas, sizesOfColumn);
  }
  return {
    counts: counts.map(ascending),
    isEven: false,
    columns: ascending(columns.keys()).flatMap((replicas) =>
      ascending(columns.get(replicas) ?? []).map((i) => ({ memoryMb: specs.experts[i] as number, replicas })),
    ),
  };
}

/** At most so many of 0 … length − 1, with both ends. */
export function spread(length: number, most: number): number[] {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}

/** What is between the neighbours of one of some ascending numbers, with itself. */
function around(numbers: readonly number[], number: number): number[] {
  const at = numbers.indexOf(number);
  const from = (numbers[at - 1] ?? number - 1) + 1;
  const end = numbers[at + 1] ?? number + 1;
  return Array.from({ length: end - from }, (_, i) => from + i);
}

function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}

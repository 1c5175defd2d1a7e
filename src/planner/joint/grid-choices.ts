import type { PlanningProblem } from "../problem.ts";
import type { Column, OptionGrid } from "./option-grid.ts";

/** r, and (y, z), that a grid looks at. */
export interface GridChoices {
  /** Ascending from 0. */
  readonly counts: readonly number[];
  /** Of equal replicas together. */
  readonly columns: readonly Column[];
}

const COARSE_COUNTS = 17;
const COARSE_SIZES = 8;

/** A few of all choices, or all of them where they are few. */
export function coarseChoices({ sizes, specs }: PlanningProblem): GridChoices & { readonly isComplete: boolean } {
  const counts = spread(sizes.experts + 1, COARSE_COUNTS);
  const memories = sizeIndices(specs.experts);
  const replicas = [...new Set([1, Math.min(2, specs.maxReplicas), specs.maxReplicas])];
  return {
    counts,
    columns: columnsOf(
      replicas,
      memories.map((i) => specs.experts[i] as number),
    ),
    isComplete:
      counts.length === sizes.experts + 1 &&
      memories.length === specs.experts.length &&
      replicas.length === specs.maxReplicas,
  };
}

/** All r, and what lies around the columns that options chose from a coarse grid. */
export function fineChoices(
  { sizes, specs }: PlanningProblem,
  coarse: OptionGrid,
  options: readonly number[],
): GridChoices {
  const chosen = options.map((option) => coarse.choiceOf(option)).filter(({ remote }) => remote > 0);
  const indices = sizeIndices(specs.experts);
  const near = new Set(
    chosen.flatMap(({ column }) => {
      const at = indices.findIndex((i) => specs.experts[i] === column.memoryMb);
      const from = (indices[at - 1] ?? -1) + 1;
      return specs.experts.slice(from, indices[at + 1] ?? specs.experts.length);
    }),
  );
  const memories = specs.experts.filter((memoryMb) => near.has(memoryMb));
  const replicas = new Set([1, ...chosen.map(({ column }) => column.replicas)]);
  return {
    counts: Array.from({ length: sizes.experts + 1 }, (_, r) => r),
    columns: columnsOf(
      [...replicas].sort((a, b) => a - b),
      memories,
    ),
  };
}

function columnsOf(replicas: readonly number[], memories: readonly number[]): Column[] {
  return replicas.flatMap((z) => memories.map((memoryMb) => ({ memoryMb, replicas: z })));
}

function sizeIndices(specs: readonly number[]): number[] {
  return spread(specs.length, COARSE_SIZES);
}

/** At most so many of 0 … length − 1, with both ends. */
function spread(length: number, most: number): number[] {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}

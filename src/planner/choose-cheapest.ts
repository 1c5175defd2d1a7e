import type { Evaluation } from "./evaluation.ts";
import { missOf } from "./violation.ts";

/** Anything that was evaluated. */
export interface Evaluated {
  readonly evaluation: Evaluation;
}

/**
 * The cheapest that meets all objectives; if none does, the one that misses them least, and of those the cheapest. Of
 * equal ones the first.
 * @param candidates at least one
 */
export function chooseCheapest<T extends Evaluated>(candidates: readonly T[]): T {
  return candidates.reduce((best, each) =>
    isBetter(toMerit(each.evaluation), toMerit(best.evaluation)) ? each : best,
  );
}

/** What candidates are compared by. */
export interface Merit {
  /** The greatest expected / limit of a missed objective; 0 if none is missed. */
  readonly miss: number;
  readonly cost: number;
}

export function toMerit({ violations, cost }: Evaluation): Merit {
  return { miss: missOf(violations), cost };
}

/** Missing objectives less comes before costing less. */
export function isBetter(a: Merit, b: Merit): boolean {
  return a.miss === b.miss ? a.cost < b.cost : a.miss < b.miss;
}

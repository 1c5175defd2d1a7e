import type { Plan } from "./plan.ts";

/** What slows down plans of one kind (calls, a processor less for the main function) need not slow down the other's. */
export type PlanKind = "unsplit" | "split";

export type ByKind<T> = Readonly<Record<PlanKind, T>>;

/** `split` if any expert is remote. */
export function kindOf({ layers }: Pick<Plan, "layers">): PlanKind {
  return layers.some(({ remote }) => remote.length > 0) ? "split" : "unsplit";
}

/** The same for either kind. */
export function bothKinds<T>(value: T): ByKind<T> {
  return { unsplit: value, split: value };
}

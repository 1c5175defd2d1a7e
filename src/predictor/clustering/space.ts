/** Distances between examples, which go by their numbers. */
export interface Space {
  /** Symmetric and at least 0. */
  distance(first: number, second: number): number;
  /** The member closest to all, as the space understands it; of equally good ones the first. Takes at least one. */
  medoid(members: readonly number[]): number;
}

/** A group of examples and the one among them that stands for it. */
export interface Cluster {
  readonly medoid: number;
  /** At least one, in the order they were given. */
  readonly members: readonly number[];
}

/** Splits members into at most `count` clusters: fewer when not as many differ. */
export type Clustering = (members: readonly number[], count: number) => readonly Cluster[];

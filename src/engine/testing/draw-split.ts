import { createRandom } from "../../core/random.ts";
import type { HyperParameters } from "../../model/architecture.ts";
import type { ExpertSelection } from "../expert-bank.ts";

export interface SplitOptions {
  /** Expected share of the experts that stay in the main function. */
  readonly localShare: number;
  /** Of the layers where every expert is elsewhere; 0 by default. */
  readonly bareShare?: number;
  /** Functions that the others are spread over. */
  readonly functions: number;
  readonly seed: number;
}

export interface Split {
  readonly local: ExpertSelection;
  /** By function. */
  readonly remote: readonly ExpertSelection[];
}

const HERE = -1;

/** Every expert of every layer is drawn apart: layers differ, and some hold all or none. */
export function drawSplit({ layers, experts }: HyperParameters, options: SplitOptions): Split {
  const { localShare, bareShare = 0, functions, seed } = options;
  const random = createRandom(seed);
  const owners = Array.from({ length: layers }, () => {
    const share = random() < bareShare ? 0 : localShare;
    return Array.from({ length: experts }, () => (random() < share ? HERE : Math.floor(random() * functions)));
  });
  const heldBy = (owner: number): ExpertSelection =>
    owners.map((layer) => [...layer.keys()].filter((expert) => layer[expert] === owner));
  return { local: heldBy(HERE), remote: Array.from({ length: functions }, (_, i) => heldBy(i)) };
}

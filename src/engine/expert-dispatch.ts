import { routeRows } from "./routing.ts";
import type { PassOptions, RemoteCall, Runtime } from "./runtime.ts";

export interface ExpertWork extends Omit<RemoteCall, "rows"> {
  /** The gate's choices: [k, tokens] */
  readonly chosen: Int32Array;
}

interface ExpertWorkers extends Pick<PassOptions, "remote"> {
  /** Computes the rows of the experts that are here. */
  readonly local: (isHere: (expert: number) => boolean) => void | Promise<void>;
}

/**
 * Has the chosen experts computed where they are: rows for other functions leave first, local ones compute meanwhile.
 * Ends when every output row is in place; at once if all are local and their computation is synchronous.
 */
export function dispatchExperts(
  { bank, hyper }: Pick<Runtime, "bank" | "hyper">,
  { chosen, ...work }: ExpertWork,
  { remote, local }: ExpertWorkers,
): void | Promise<void> {
  const slotOf = bank.layers[work.layer]?.slotOf;
  const isHere = (expert: number): boolean => (slotOf?.[expert] ?? -1) >= 0;
  if (chosen.every(isHere)) return local(isHere);
  if (remote === undefined) {
    throw new Error(`layer ${work.layer} routed to an expert that is not in this function, and no other holds it`);
  }
  const { hidden, expertsPerToken: k } = hyper;
  const elsewhere = remote.compute({
    ...work,
    inputs: work.inputs.subarray(0, (chosen.length / k) * hidden),
    weights: work.weights.subarray(0, chosen.length),
    outputs: work.outputs.subarray(0, chosen.length * hidden),
    rows: routeRows(chosen, k, (expert) => !isHere(expert)),
  });
  return bothEnd(elsewhere, async () => local(isHere));
}

/** Also when one fails the other is waited for: both work on the same memory. */
async function bothEnd(elsewhere: Promise<void>, local: () => Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled([elsewhere, local()])) {
    if (result.status === "rejected") throw result.reason;
  }
}

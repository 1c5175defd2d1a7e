import { routeRows } from "./routing.ts";
import type { PassOptions, RemoteCall, RemoteExperts, Runtime } from "./runtime.ts";

export interface ExpertWork extends Omit<RemoteCall, "rows"> {
  /** The gate's choices: [k, tokens] */
  readonly chosen: Int32Array;
}

interface ExpertWorkers extends Pick<PassOptions, "remote"> {
  /** Computes the rows of the experts that are here; `isAlone`: nothing has to leave or come meanwhile. */
  readonly local: (isHere: (expert: number) => boolean, isAlone: boolean) => void | Promise<void>;
}

/**
 * Has the chosen experts computed where they are: rows for other functions leave first, local ones compute meanwhile.
 * Ends when every output row is in place; at once if all are local and their computation is synchronous.
 */
export function dispatchExperts(
  runtime: Holder,
  work: ExpertWork,
  { remote, local }: ExpertWorkers,
): void | Promise<void> {
  const isHere = whoIsHere(runtime, work.layer);
  const elsewhere = sendElsewhere(runtime, work, remote);
  return elsewhere === null ? local(isHere, true) : bothEnd(elsewhere, async () => local(isHere, false));
}

type Holder = Pick<Runtime, "bank" | "hyper">;

/** Which experts of a layer are in this function. */
export function whoIsHere({ bank }: Holder, layer: number): (expert: number) => boolean {
  const slotOf = bank.layers[layer]?.slotOf;
  return (expert) => (slotOf?.[expert] ?? -1) >= 0;
}

/** Sends the rows of experts that are elsewhere. → `null` if there are none, else when their outputs are in place */
export function sendElsewhere(
  runtime: Holder,
  { chosen, ...work }: ExpertWork,
  remote: RemoteExperts | undefined,
): Promise<void> | null {
  const isHere = whoIsHere(runtime, work.layer);
  if (chosen.every(isHere)) return null;
  if (remote === undefined) {
    throw new Error(`layer ${work.layer} routed to an expert that is not in this function, and no other holds it`);
  }
  const { hidden, expertsPerToken: k } = runtime.hyper;
  return remote.compute({
    ...work,
    inputs: work.inputs.subarray(0, (chosen.length / k) * hidden),
    weights: work.weights.subarray(0, chosen.length),
    outputs: work.outputs.subarray(0, chosen.length * hidden),
    rows: routeRows(chosen, k, (expert) => !isHere(expert)),
  });
}

/** Also when one fails the other is waited for: both work on the same memory. */
async function bothEnd(elsewhere: Promise<void>, local: () => Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled([elsewhere, local()])) {
    if (result.status === "rejected") throw result.reason;
  }
}

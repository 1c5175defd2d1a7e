import { type RoutedRows, routeRows } from "./routing.ts";
import type { PassOptions, RemoteCall, Runtime } from "./runtime.ts";

export interface ExpertWork extends Omit<RemoteCall, "rows"> {
  /** The gate's choices: [k, tokens] */
  readonly chosen: Int32Array;
}

/**
 * Has the chosen experts computed where they are: rows for other functions leave first, local ones compute meanwhile.
 * Resolves when every output row is in place.
 */
export async function dispatchExperts(
  { bank, hyper }: Runtime,
  { chosen, ...call }: ExpertWork,
  { remote, local }: Pick<PassOptions, "remote"> & { readonly local: (rows: RoutedRows) => void | Promise<void> },
): Promise<void> {
  const held = bank.layers[call.layer];
  if (held?.held.length === hyper.experts) return local(routeRows(chosen, hyper.expertsPerToken, () => true));
  const isLocal = (expert: number): boolean => (held?.slotOf[expert] ?? -1) >= 0;
  const elsewhere = routeRows(chosen, hyper.expertsPerToken, (expert) => !isLocal(expert));
  if (elsewhere.count > 0 && remote === undefined) {
    throw new Error(`layer ${call.layer} routed to an expert that is not in this function, and no other holds it`);
  }
  const tokens = chosen.length / hyper.expertsPerToken;
  const inputs = call.inputs.subarray(0, tokens * hyper.hidden);
  const pending = elsewhere.count > 0 ? remote?.compute({ ...call, inputs, rows: elsewhere }) : undefined;
  await local(routeRows(chosen, hyper.expertsPerToken, isLocal));
  await pending;
}

import type { LayerPlan } from "./plan.ts";

export interface UniformPlanOptions {
  readonly layers: number;
  readonly experts: number;
  /** b: the share of each layer's experts that is remote, from 0 to 1. */
  readonly remoteRatio: number;
  /** Expert functions; each holds the remote experts of consecutive layers. */
  readonly functions: number;
  /** Instances of each, every one holding all experts of the function. */
  readonly replicas: number;
  /** Memory of an expert function that holds these layers' remote experts, in MiB. */
  readonly memoryMb: (layers: readonly number[], remote: readonly number[]) => number;
}

/**
 * The same share of every layer remote, without a prediction to tell which experts: those with the highest ids.
 * Layers are spread evenly over the functions.
 */
export function uniformLayers(options: UniformPlanOptions): LayerPlan[] {
  const { layers, experts, remoteRatio, replicas, memoryMb } = options;
  const count = Math.round(remoteRatio * experts);
  if (count === 0) return [];
  const remote = Array.from({ length: count }, (_, i) => experts - count + i);
  const functions = Math.min(options.functions, layers);
  return Array.from({ length: functions }, (_, index) => {
    const first = Math.floor((index * layers) / functions);
    const end = Math.floor(((index + 1) * layers) / functions);
    const own = Array.from({ length: end - first }, (_, i) => first + i);
    const shared = {
      remote,
      function: own.length === 1 ? `experts-${first}` : `experts-${first}-${end - 1}`,
      memoryMb: memoryMb(own, remote),
      replicas: Array.from({ length: replicas }, () => remote),
    };
    return own.map((layer) => ({ layer, ...shared }));
  }).flat();
}

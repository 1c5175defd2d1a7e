import type { Devices } from "./evaluation.ts";
import type { ModelSizes } from "./problem.ts";

/**
 * M^min + M^e: what a main function takes, in MiB. Non-expert modules and the cache are on the device if there is one.
 * @param remote remote experts of each layer. [layers]
 */
export function mainNeedMb(sizes: ModelSizes, devices: Devices, remote: readonly number[]): number {
  const onProcessor = devices === "cpu" ? sizes.nonExpertMb + sizes.cacheMb : 0;
  const experts = sizes.expertMb.map((mb, layer) => mb * (sizes.experts - (remote[layer] ?? 0)));
  return sizes.mainBaseMb + onProcessor + experts.reduce((a, b) => a + b, 0);
}

/** What a function with so many experts of a layer takes, in MiB. */
export function expertsNeedMb(sizes: ModelSizes, layer: number, experts: number): number {
  return sizes.expertsBaseMb + experts * (sizes.expertMb[layer] as number);
}

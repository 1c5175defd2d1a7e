import { remoeError } from "../core/errors.ts";
import { BatchedPasses } from "./batched-passes.ts";
import { DefaultPasses } from "./default-passes.ts";
import { DevicePasses } from "./device-passes.ts";
import { ExactPasses } from "./exact-passes.ts";
import type { PassStrategy } from "./pass-strategy.ts";
import type { Runtime } from "./runtime.ts";

/**
 * `exact`: the operations of llama.cpp in its order, so its logits bit for bit; needs every expert in this function.
 * `default`: prefill groups tokens by expert, which is faster and rounds differently in the last digits, but always the
 * same: not depending on threads, batch size or placement of experts.
 */
export type Numerics = "default" | "exact";

/**
 * The forward passes for a runtime.
 * @throws NUMERICS_NEED_ALL_EXPERTS, NUMERICS_NEED_PROCESSOR, PARALLEL_UNSUPPORTED
 */
export function createPasses(runtime: Runtime, numerics: Numerics): PassStrategy {
  const { cache, device, bank, hyper } = runtime;
  if (numerics === "default" && device === null) {
    return cache.parallel === 1 ? new DefaultPasses(runtime) : new BatchedPasses(runtime);
  }
  if (numerics === "exact" && device !== null) throw remoeError("NUMERICS_NEED_PROCESSOR", { device: device.name });
  if (cache.parallel > 1) {
    const what = device === null ? "exact numerics" : `device ${device.name}`;
    throw remoeError("PARALLEL_UNSUPPORTED", { what, parallel: cache.parallel });
  }
  if (device !== null) return new DevicePasses(runtime, device);
  if (!bank.isComplete(hyper.experts)) throw remoeError("NUMERICS_NEED_ALL_EXPERTS", {});
  return new ExactPasses(runtime);
}

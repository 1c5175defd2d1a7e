/** What was used and what it costs. */
export interface Charge {
  readonly requests: number;
  /** Time as the platform counts it. */
  readonly billedMs: number;
  /** Memory in GiB × seconds. */
  readonly gbSeconds: number;
  readonly vcpuSeconds: number;
  /** Graphics memory in GiB × seconds. */
  readonly gpuGbSeconds: number;
  /** In the price book's currency; never rounded. */
  readonly cost: number;
}

export const NO_CHARGE: Charge = {
  requests: 0,
  billedMs: 0,
  gbSeconds: 0,
  vcpuSeconds: 0,
  gpuGbSeconds: 0,
  cost: 0,
};

/** Both charges together. */
export function addCharges(a: Charge, b: Charge): Charge {
  return {
    requests: a.requests + b.requests,
    billedMs: a.billedMs + b.billedMs,
    gbSeconds: a.gbSeconds + b.gbSeconds,
    vcpuSeconds: a.vcpuSeconds + b.vcpuSeconds,
    gpuGbSeconds: a.gpuGbSeconds + b.gpuGbSeconds,
    cost: a.cost + b.cost,
  };
}

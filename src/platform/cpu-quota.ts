/** Short, so that a small share is spread evenly; the default of 100 ms would stall a token for most of that time. */
export const CPU_PERIOD_US = 20_000;
/** The kernel's minimum. */
const LEAST_QUOTA_US = 1_000;

/** Processor time that some virtual processors may use in each period, in microseconds. */
export function cpuQuotaUs(vcpus: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round(vcpus * CPU_PERIOD_US));
}

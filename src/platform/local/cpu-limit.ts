import { CPU_PERIOD_US, cpuQuotaUs } from "../cpu-quota.ts";
import type { Cgroup } from "./cgroup.ts";

/** Holds the processes of a group to a share of the processors' time. */
export function limitCpu(cgroup: Cgroup, vcpus: number): void {
  const quota = cpuQuotaUs(vcpus);
  try {
    if (cgroup.version === 2) {
      cgroup.write("cpu.max", `${quota} ${CPU_PERIOD_US}`);
    } else {
      cgroup.write("cpu.cfs_period_us", CPU_PERIOD_US);
      cgroup.write("cpu.cfs_quota_us", quota);
    }
  } catch (error) {
    // In version 1: more than a group around this one may have, whose limit holds then.
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  }
}

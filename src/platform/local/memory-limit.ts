import type { Cgroup } from "./cgroup.ts";

const MIB = 2 ** 20;

/** Holds the processes of a group to a size; swapping would hide that a function needs more than it is billed for. */
export function limitMemory(cgroup: Cgroup, memoryMb: number): void {
  const bytes = Math.floor(memoryMb * MIB);
  if (cgroup.version === 2) {
    cgroup.write("memory.max", bytes);
    if (cgroup.read("memory.swap.max") !== null) cgroup.write("memory.swap.max", 0);
    return;
  }
  cgroup.write("memory.limit_in_bytes", bytes);
  // Memory and swap together; the file is missing where the kernel does not account for swap.
  if (cgroup.read("memory.memsw.limit_in_bytes") !== null) cgroup.write("memory.memsw.limit_in_bytes", bytes);
}

/** True when the kernel killed a process of the group because of its limit. */
export function ranOutOfMemory(cgroup: Cgroup): boolean {
  const events = cgroup.read(cgroup.version === 2 ? "memory.events" : "memory.oom_control") ?? "";
  return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0) > 0;
}

/** The most memory the group has used, cached file pages included, in MiB; `null` where the kernel does not say. */
export function memoryPeakMb(cgroup: Cgroup): number | null {
  const bytes = cgroup.read(cgroup.version === 2 ? "memory.peak" : "memory.max_usage_in_bytes");
  return bytes === null ? null : Math.ceil(Number(bytes) / MIB);
}

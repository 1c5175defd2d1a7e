import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Limits } from "../platform.ts";
import { Cgroup } from "./cgroup.ts";
import { limitCpu } from "./cpu-limit.ts";
import { type CgroupFacts, type Controller, findCgroup } from "./find-cgroup.ts";
import { joinCommand } from "./join-command.ts";
import { limitMemory, memoryPeakMb, ranOutOfMemory } from "./memory-limit.ts";

/** Holds instances to their specs with the best means this machine has. */
export interface Limiter {
  readonly limits: Limits;
  /** The control groups under which those of the instances are. */
  readonly cgroups: readonly Cgroup[];
  /**
   * Prepares the limits of a process.
   * @param name of its groups
   * @param memoryMb `null`: it is not known yet, which a resource limit cannot wait for
   */
  confine(name: string, memoryMb: number | null): Confinement;
  close(): Promise<void>;
}

/** The limits of one process. */
export interface Confinement {
  /** Files into which the process writes its id before it becomes the function. */
  readonly processLists: readonly string[];
  /** For a resource limit, where there is nothing better. */
  readonly dataLimitMb: number | null;
  /** Sets the limit that was not known before. @throws where the process has more than that already */
  limitMemory(memoryMb: number): void;
  /** From now on it has no more than this share of processor time: a function starts unthrottled. */
  throttle(vcpus: number): void;
  /** True when the kernel killed the function because of its memory. */
  ranOutOfMemory(): boolean;
  /** The most it has used, as far as the kernel knows. */
  memoryPeakMb(): number | null;
  /** After the end of the process. */
  remove(): Promise<void>;
}

/**
 * Chooses the means, by trying: control groups of version 1 or 2 below the caller's own, else resource limits, which
 * know no share of processor time.
 * @param name of the groups; unique among those who run now
 * @param facts `null` on systems without control groups, which get no limits
 * @param announce is told the path of each group before it is made
 */
export async function createLimiter(
  name: string,
  facts: CgroupFacts | null,
  announce: (cgroupPath: string) => void = () => {},
): Promise<Limiter> {
  const createGroup = async (controller: Controller): Promise<Cgroup | null> => {
    const found = facts === null ? null : findCgroup(controller, facts);
    return found === null ? null : await tryGroup(new Cgroup(controller, found), name, announce);
  };
  const memory = await createGroup("memory");
  const cpu = await createGroup("cpu");
  const cgroups = [memory, cpu].filter((cgroup) => cgroup !== null);
  const withoutGroup = facts === null ? "none" : "rlimit";
  return {
    limits: {
      memory: memory === null ? withoutGroup : `cgroup v${memory.version}`,
      cpu: cpu === null ? "none" : `cgroup v${cpu.version}`,
    },
    cgroups,
    confine(name, memoryMb) {
      const ownMemory = memory?.createChild(name) ?? null;
      const ownCpu = cpu?.createChild(name) ?? null;
      const own = [ownMemory, ownCpu].filter((cgroup) => cgroup !== null);
      const limit = (mb: number): void => void (ownMemory !== null && limitMemory(ownMemory, mb));
      if (memoryMb !== null) limit(memoryMb);
      return {
        processLists: own.map(({ processList }) => processList),
        dataLimitMb: withoutGroup === "rlimit" && ownMemory === null ? memoryMb : null,
        limitMemory: limit,
        throttle: (vcpus) => ownCpu !== null && limitCpu(ownCpu, vcpus),
        ranOutOfMemory: () => ownMemory !== null && ranOutOfMemory(ownMemory),
        memoryPeakMb: () => ownMemory && memoryPeakMb(ownMemory),
        remove: () => removeAll(own),
      };
    },
    close: () => removeAll(cgroups),
  };
}

/** @returns `null` where this process may not make groups for others, or the controller is not there */
async function tryGroup(own: Cgroup, name: string, announce: (cgroupPath: string) => void): Promise<Cgroup | null> {
  try {
    own.delegate();
    announce(join(own.path, name));
    const group = own.createChild(name);
    group.delegate();
    const probe = group.createChild("probe");
    const works = await canBeEntered(probe);
    await probe.remove();
    if (works) return group;
    await group.remove();
  } catch {
    // Not permitted, or processes are in the group itself: the next best means.
  }
  return null;
}

async function canBeEntered({ processList }: Cgroup): Promise<boolean> {
  const [shell, ...rest] = joinCommand([processList], { command: ["true"], dataLimitMb: null });
  return await promisify(execFile)(shell, rest).then(
    () => true,
    () => false,
  );
}

/** In version 2 both controllers are in one folder; the second removal finds nothing. */
async function removeAll(cgroups: readonly Cgroup[]): Promise<void> {
  for (const cgroup of cgroups) await cgroup.remove();
}

import { readFileSync } from "node:fs";
import { posix } from "node:path";

export type Controller = "memory" | "cpu";

/** What Linux tells a process about its control groups. */
export interface CgroupFacts {
  /** /proc/self/mountinfo */
  readonly mountinfo: string;
  /** /proc/self/cgroup */
  readonly membership: string;
}

/** The control group this process is in. */
export interface OwnCgroup {
  readonly version: 1 | 2;
  readonly path: string;
}

interface Mount {
  readonly type: string;
  /** Which part of the hierarchy is mounted. */
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/**
 * Finds the caller's own group under a controller: in that controller's version 1 hierarchy if it has one, else in the
 * version 2 hierarchy. (Which controllers that one has only its files tell.)
 * @returns `null` where neither is mounted, or the group lies outside of what is mounted
 */
export function findCgroup(controller: Controller, { mountinfo, membership }: CgroupFacts): OwnCgroup | null {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  const version1 = groupOf(membership, (controllers) => controllers.split(",").includes(controller));
  const version2 = groupOf(membership, (controllers) => controllers === "");
  const version = version1 === null ? 2 : 1;
  const mounted = mounts.filter(({ type, options }) =>
    version === 1 ? type === "cgroup" && options.includes(controller) : type === "cgroup2",
  );
  const group = version1 ?? version2;
  const path = group === null ? null : visiblePath(mounted, group);
  return path === null ? null : { version, path };
}

/** A line reads `36 35 98:0 /root /point rw,noatime shared:1 - type source options`. */
function parseMount(line: string): readonly Mount[] {
  const [left = "", right = ""] = line.split(" - ");
  const [, , , root, point] = left.split(" ").map(unescapeOctal);
  const [type, , options] = right.split(" ");
  if (root === undefined || point === undefined || type === undefined || options === undefined) return [];
  return [{ type, root, point, options: options.split(",") }];
}

/** Blanks in paths are written as `\040`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

/** A line reads `4:cpu,cpuacct:/path`, in version 2 `0::/path`. */
function groupOf(membership: string, wanted: (controllers: string) => boolean): string | null {
  for (const line of membership.split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers !== undefined && group !== undefined && wanted(controllers)) return group;
  }
  return null;
}

function visiblePath(mounts: readonly Mount[], group: string): string | null {
  for (const { root, point } of mounts) {
    const below = posix.relative(root, group);
    const isOutside = [root, group, below].some((path) => path.split("/").includes(".."));
    if (!isOutside) return posix.join(point, below);
  }
  return null;
}

/** @returns `null` on systems other than Linux */
export function readCgroupFacts(): CgroupFacts | null {
  if (process.platform !== "linux") return null;
  return {
    mountinfo: readFileSync("/proc/self/mountinfo", "utf8"),
    membership: readFileSync("/proc/self/cgroup", "utf8"),
  };
}

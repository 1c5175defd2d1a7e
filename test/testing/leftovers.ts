import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import type { Platform } from "../../src/platform/platform.ts";

/** Watches what functions leave behind: processes, sockets and other files, control groups. */
export interface Leftovers {
  /** Notes the processes of a platform's instances. */
  watch(platform: Platform): void;
  /** What is still there, by name; empty when all is well. */
  found(): string[];
  /** Ends the watch. */
  close(): void;
}

/** From now on this process makes its temporary files in a folder of its own. */
export function watchLeftovers(): Leftovers {
  const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
  vi.stubEnv("TMPDIR", folder);
  const pids = new Set<number>();
  return {
    watch: (platform) =>
      void platform.onEvent(({ instance: { pid } }) => {
        if (pid !== null) pids.add(pid);
      }),
    found: () => [
      ...[...pids].filter(isAlive).map((pid) => `process ${pid}`),
      ...readdirSync(folder).map((name) => `file ${name}`),
      ...controlGroups().map((path) => `control group ${path}`),
    ],
    close() {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function controlGroups(): string[] {
  if (process.platform !== "linux") return [];
  const pattern = `remoe-${process.pid}-*`;
  const paths = execFileSync("find", ["/sys/fs/cgroup", "-type", "d", "-name", pattern], { encoding: "utf8" });
  return paths.split("\n").filter((path) => path !== "");
}

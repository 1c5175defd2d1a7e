import { spawn } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { NAMESPACE } from "../../../src/kubernetes/kinds.ts";
import { openCluster } from "../../../src/kubernetes/open-cluster.ts";
import { isAlive } from "../../../src/platform/testing/is-alive.ts";

const START_MS = 60_000;

/** Ends the test cluster's API server and starts it again with the same command; resolves when the new one answers. */
export async function restartApi(): Promise<void> {
  const folder = join(process.env["REMOE_K8S_DIR"] ?? "", "run");
  const pidFile = join(folder, "kube-apiserver.pid");
  const pid = Number(readFileSync(pidFile, "utf8").split(" ")[0]);
  const [file = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  process.kill(pid, "SIGKILL");
  await vi.waitUntil(() => !isAlive(pid), { timeout: START_MS });
  const log = openSync(join(folder, "log", "kube-apiserver.log"), "a");
  const server = spawn(file, args, { detached: true, stdio: ["ignore", log, log] });
  server.unref();
  writeFileSync(pidFile, `${server.pid} ${startTime(server.pid ?? 0)}\n`);
  await vi.waitUntil(answers, { timeout: START_MS, interval: 200 });
}

/** As the cluster's own scripts tell a process from another one with its id. */
function startTime(pid: number): string {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ");
  return fields?.[19] ?? "";
}

async function answers(): Promise<boolean> {
  const cluster = await openCluster();
  try {
    return (await cluster.list(NAMESPACE)).length > 0;
  } catch {
    return false;
  } finally {
    cluster.close();
  }
}

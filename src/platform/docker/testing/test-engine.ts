import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { docker } from "../docker-cli.ts";

/** An engine to test with. */
export interface TestEngine {
  /** Why there is none, for people; else `null`. */
  readonly missing: string | null;
  close(): Promise<void>;
}

/**
 * Takes the engine that answers, else starts one of its own that shares nothing with others: its socket, images and
 * containers are in a temporary folder, and it has no network to configure. DOCKER_HOST of this process leads to it.
 */
export async function openTestEngine(): Promise<TestEngine> {
  const reason = await whySilent();
  if (reason === null) return { missing: null, close: async () => {} };
  if (spawnSync("dockerd", ["--version"]).error !== undefined || process.getuid?.() !== 0) {
    const missing = `no container engine answers (${reason}), and root with dockerd is needed to start one`;
    return { missing, close: async () => {} };
  }
  return await startEngine();
}

async function whySilent(): Promise<string | null> {
  return await docker(["version", "--format", "{{.Server.Version}}"]).then(
    () => null,
    (error: Error) => error.message,
  );
}

async function startEngine(): Promise<TestEngine> {
  const folder = await mkdtemp(join(tmpdir(), "remoe-engine-"));
  const host = `unix://${join(folder, "engine.sock")}`;
  const data = join(folder, "data");
  const places = ["--data-root", data, "--exec-root", join(folder, "exec")];
  const contact = ["--host", host, "--pidfile", join(folder, "engine.pid")];
  const network = ["--bridge", "none", "--iptables=false", "--ip-masq=false"];
  const engine = spawn("dockerd", [...places, ...contact, ...network], { stdio: ["ignore", "ignore", "pipe"] });
  const close = async (): Promise<void> => {
    if (engine.kill("SIGTERM")) await once(engine, "exit");
    spawnSync("umount", [data]); // An engine that fails to start leaves its folder mounted.
    await rm(folder, { recursive: true, force: true });
  };
  const lastWords = await untilListening(engine);
  if (lastWords === null) {
    process.env["DOCKER_HOST"] = host;
    return { missing: null, close };
  }
  await close();
  return { missing: `dockerd does not start: ${lastWords}`, close: async () => {} };
}

/** → `null`, or what it said last when it ended instead */
async function untilListening(engine: ChildProcess): Promise<string | null> {
  return await new Promise((resolve) => {
    let last = "";
    if (engine.stderr === null) return resolve("its output cannot be read");
    createInterface({ input: engine.stderr }).on("line", (line) => {
      last = line;
      if (line.includes("API listen on")) resolve(null);
    });
    engine.once("exit", () => resolve(last));
  });
}

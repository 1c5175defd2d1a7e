import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createPlatform } from "../instance-pool.ts";
import type { Launcher } from "../launcher.ts";
import { callStandIn } from "../testing/call-stand-in.ts";
import { isAlive } from "../testing/is-alive.ts";
import { describePlatform } from "../testing/platform-conformance.ts";
import { STAND_IN_PROGRAM, standInSpec } from "../testing/stand-in-spec.ts";
import { type CgroupFacts, findCgroup, readCgroupFacts } from "./find-cgroup.ts";
import { createLimiter } from "./limiter.ts";
import { createLocalLauncher } from "./local-launcher.ts";
import type { LocalLauncherOptions } from "./premises.ts";

const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const here = readCgroupFacts();
const limits = await limitsWith(here);

async function limitsWith(facts: CgroupFacts | null) {
  const limiter = await createLimiter(`remoe-${process.pid}-test`, facts);
  await limiter.close();
  return limiter.limits;
}

const createLauncher = (options: Partial<LocalLauncherOptions> = {}): Launcher =>
  createLocalLauncher({
    secret: "secret",
    tempFolder: folder,
    command: [process.execPath, STAND_IN_PROGRAM],
    ...options,
  });

/** Files, and control groups of the launchers of a process. */
function leftovers(pid = process.pid): readonly string[] {
  const own = (["memory", "cpu"] as const).map((controller) => here && findCgroup(controller, here)?.path);
  const groups = own.flatMap((path) =>
    path ? readdirSync(path).filter((name) => name.startsWith(`remoe-${pid}-`)) : [],
  );
  return [...readdirSync(folder), ...groups];
}

const NO_CGROUPS: CgroupFacts = { mountinfo: "", membership: "" };
const withResourceLimits = here === null ? null : NO_CGROUPS;

describePlatform("local functions with this system's limits", (options) => createPlatform(createLauncher(), options), {
  limits,
  leftovers,
});

describePlatform(
  "local functions with resource limits",
  (options) => createPlatform(createLauncher({ cgroups: withResourceLimits }), options),
  { limits: await limitsWith(withResourceLimits), leftovers },
);

describe("a local function", () => {
  let launcher: Launcher;
  beforeEach(() => {
    launcher = createLauncher();
  });
  afterEach(async () => {
    await launcher.close();
    expect(leftovers()).toEqual([]);
  });

  it("listens in a folder that only this user can enter", async () => {
    const { endpoint, stop } = await launcher.launch(standInSpec(), "experts.1");
    const [own = ""] = readdirSync(folder);
    expect(endpoint).toBe(`unix:${join(folder, own, "experts.1.sock")}`);
    expect(statSync(join(folder, own)).mode & 0o777).toBe(0o700);
    await stop(1_000);
    expect(readdirSync(join(folder, own))).toEqual([]);
  });

  it("gets threads for its reads, but not the gateway's key", async () => {
    vi.stubEnv("REMOE_API_KEY", "key");
    const { endpoint, stop } = await launcher.launch(standInSpec(), "experts.1");
    vi.unstubAllEnvs();
    const { environment } = (await callStandIn(endpoint, "/start")) as { environment: NodeJS.ProcessEnv };
    expect(environment).toMatchObject({ UV_THREADPOOL_SIZE: expect.any(String), REMOE_FUNCTION: expect.any(String) });
    expect(environment).not.toHaveProperty("REMOE_API_KEY");
    await stop(1_000);
  });

  it("that hangs is killed after the deadline", async () => {
    const { pid, stop, exited } = await launcher.launch(standInSpec(), "experts.1");
    process.kill(pid ?? 0, "SIGSTOP");
    await stop(50);
    expect(await exited).toEqual({ reason: "stopped", description: "it was ended by SIGKILL" });
  });

  it("that writes something else than a report has failed", async () => {
    const launched = launcher.launch(standInSpec({ start: { say: "Hello!" } }), "experts.1");
    await expect(launched).rejects.toMatchObject({
      code: "FUNCTION_FAILED",
      message: expect.stringContaining("'Hello!'"),
    });
  });

  it("that cannot even be started has failed to start, with the reason", async () => {
    const say = "x".repeat(3_000_000); // more than an environment may hold
    const launched = launcher.launch(standInSpec({ start: { say } }), "experts.1");
    await expect(launched).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringMatching(/E2BIG|ENAMETOOLONG/),
    });
  });

  it.skipIf(limits.cpu !== "cgroup v1")("starts unthrottled (needs control groups of version 1)", async () => {
    const client = new AbortController();
    const starting = launcher.launch(standInSpec({ start: { hang: true } }), "experts.1", client.signal);
    const gone = expect(starting).rejects.toThrow();
    expect(Number(await vi.waitFor(() => quotaOf(pidIn(folder, "experts.1"))))).toBe(-1);
    client.abort();
    await gone;
    const { pid, stop } = await launcher.launch(standInSpec({ vcpus: 0.5 }), "experts.2");
    expect(Number(quotaOf(pid ?? 0))).toBe(10_000);
    await stop(1_000);
  });
});

it.skipIf(process.platform === "win32")("a folder too deep for sockets is refused with what to do", async () => {
  const deep = mkdtempSync(join(folder, "d".repeat(90)));
  const launcher = createLauncher({ tempFolder: deep });
  await expect(launcher.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
    code: "FUNCTION_START_FAILED",
    message: expect.stringContaining("TMPDIR"),
  });
  await launcher.close();
  expect(readdirSync(deep)).toEqual([]);
  rmSync(deep, { recursive: true });
});

function pidIn(parent: string, instanceId: string): number {
  const [own = ""] = readdirSync(parent);
  return Number(readFileSync(join(parent, own, `${instanceId}.pid`), "utf8"));
}

function quotaOf(pid: number): string {
  const membership = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  const path = findCgroup("cpu", { mountinfo: here?.mountinfo ?? "", membership })?.path ?? "";
  if (!path.includes("experts.")) throw new Error("it has not entered its group yet");
  return readFileSync(join(path, "cpu.cfs_quota_us"), "utf8");
}

describe.skipIf(process.platform === "win32")("when the gateway is killed (needs a shell)", () => {
  let programs: string;
  let bundle: string;
  beforeAll(async () => {
    programs = mkdtempSync(join(tmpdir(), "remoe-test-"));
    bundle = join(programs, "crashing-gateway.mjs");
    const entry = join(import.meta.dirname, "..", "testing", "crashing-gateway.ts");
    await build({ entryPoints: [entry], outfile: bundle, bundle: true, platform: "node", format: "esm" });
  });
  afterAll(() => rmSync(programs, { recursive: true }));

  it("nothing is left: no function, even a stopped one, no socket and no control group", async () => {
    const gateway = spawn(process.execPath, [bundle, STAND_IN_PROGRAM, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: gateway.stdout }), "line");
    const pids = JSON.parse(String(line)) as readonly number[];
    expect(pids.filter(isAlive)).toHaveLength(2);
    process.kill(pids[0] ?? 0, "SIGSTOP");
    gateway.kill("SIGKILL");
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 10_000 });
    await vi.waitUntil(() => leftovers(gateway.pid).length === 0, { timeout: 10_000 });
  });
});

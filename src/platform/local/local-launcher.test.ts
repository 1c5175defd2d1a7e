import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { remoeError } from "../../core/errors.ts";
import { createPlatform } from "../instance-pool.ts";
import type { Launcher, PreparedStart } from "../launcher.ts";
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
    expect(environment).toMatchObject({ UV_THREADPOOL_SIZE: expect.any(String) });
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
    const command = [process.execPath, "x".repeat(3_000_000)]; // more than a command line may hold
    const crowded = createLauncher({ command });
    await expect(crowded.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringMatching(/E2BIG|ENAMETOOLONG/),
    });
    await crowded.close();
  });

  it("may be told more than an environment holds", async () => {
    const model = "x".repeat(3_000_000);
    const spec = standInSpec();
    const { stop } = await launcher.launch({ ...spec, program: { ...spec.program, model } }, "experts.1");
    await stop(1_000);
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

describe.skipIf(process.platform === "win32")("a prepared start (needs a shell)", () => {
  let launcher: Launcher;
  let prepared: PreparedStart;
  /** Of the process that waits. */
  let waiting: number;
  beforeEach(async () => {
    launcher = createLauncher();
    prepared = prepareWith(launcher);
    waiting = await untilListed("prepared.1");
  });
  afterEach(async () => {
    await prepared.discard();
    await launcher.close();
    expect(leftovers()).toEqual([]);
  });

  const isLimited = limits.memory.startsWith("cgroup");

  it("becomes what it is told to be, and its cold start is as old as its process", async () => {
    const told = performance.now();
    const { pid, endpoint, coldStart, stop } = await prepared.launch(standInSpec(), "main.1");
    const sinceTold = performance.now() - told;
    expect(pid).toBe(waiting);
    expect(await callStandIn(endpoint, "/pid")).toBe(waiting);
    expect(endpoint).toMatch(/main\.1\.sock$/);
    expect(coldStart.totalMs).toBeGreaterThan(sinceTold);
    await stop(1_000);
    expect(isAlive(waiting)).toBe(false);
  });

  it.skipIf(!isLimited)("has its memory limited before it loads anything (needs control groups)", async () => {
    const launched = prepared.launch(standInSpec({ memoryMb: 160, start: { allocateMb: 400 } }), "main.1");
    await expect(launched).rejects.toMatchObject({ code: "FUNCTION_OUT_OF_MEMORY", details: { limitMb: 160 } });
    expect(isAlive(waiting)).toBe(false);
  });

  it.skipIf(!isLimited)("has no more memory than a function too small for Node.js (needs control groups)", async () => {
    const launched = prepared.launch(standInSpec({ memoryMb: 8 }), "main.1");
    await expect(launched).rejects.toMatchObject({ code: "FUNCTION_OUT_OF_MEMORY", details: { limitMb: 8 } });
    expect(isAlive(waiting)).toBe(false);
  });

  it.skipIf(!isLimited)("has the limits of any other when it serves (needs control groups)", async () => {
    const { endpoint, limits: enforced, stop } = await prepared.launch(standInSpec({ vcpus: 0.5 }), "main.1");
    expect(await callStandIn(endpoint, "/start")).toMatchObject({ memoryMb: 160, constrainedMb: 160 });
    expect(enforced).toEqual(limits);
    await stop(1_000);
  });

  it("is another process where the first one ended while it waited", async () => {
    process.kill(waiting, "SIGKILL");
    await vi.waitUntil(() => !listed().includes("prepared.1.pid"));
    const { pid, stop } = await prepared.launch(standInSpec(), "main.1");
    expect(pid).not.toBe(waiting);
    await stop(1_000);
  });

  it("leaves nothing when it is given up before it is told anything", async () => {
    await prepared.discard();
    expect(isAlive(waiting)).toBe(false);
    expect(listed()).toEqual([]);
  });

  it("leaves nothing when it is given up before its process is there", async () => {
    await launcher.prepare?.().discard();
    expect(listed()).toEqual(["prepared.1.pid"]);
  });

  it("leaves nothing when it is given up afterwards", async () => {
    const client = new AbortController();
    const launched = prepared.launch(standInSpec({ start: { hang: true } }), "main.1", client.signal);
    client.abort(remoeError("REQUEST_CANCELLED", {}));
    await expect(launched).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    expect(isAlive(waiting)).toBe(false);
  });

  it("fails as any other, with nothing left", async () => {
    const failWith = remoeError("MODEL_NOT_FOUND", { path: "missing.gguf" }).toJSON();
    const launched = prepared.launch(standInSpec({ start: { failWith } }), "main.1");
    await expect(launched).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(isAlive(waiting)).toBe(false);
  });
});

it("a prepared start has no process before its spec is known where memory is held by a resource limit", async () => {
  const launcher = createLauncher({ cgroups: withResourceLimits });
  const prepared = prepareWith(launcher);
  const { pid, limits: enforced, stop } = await prepared.launch(standInSpec(), "main.1");
  expect(enforced.memory).toBe(here === null ? "none" : "rlimit");
  if (here !== null) expect(await untilListed("main.1")).toBe(pid);
  await stop(1_000);
  await prepared.discard();
  await launcher.close();
});

function prepareWith({ prepare }: Launcher): PreparedStart {
  if (prepare === undefined) throw new Error("local functions can be prepared");
  return prepare();
}

/** Files of the launcher that runs. */
function listed(): readonly string[] {
  const [own = ""] = readdirSync(folder);
  return readdirSync(join(folder, own));
}

async function untilListed(name: string): Promise<number> {
  return await vi.waitFor(() => {
    const pid = pidIn(folder, name);
    if (pid === 0) throw new Error("it has not written its id yet");
    return pid;
  });
}

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
    await build({
      entryPoints: [entry],
      outfile: bundle,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
    });
  });
  afterAll(() => rmSync(programs, { recursive: true }));

  it("nothing is left: no function, even a stopped one or one that waits for its start, no socket and no control group", async () => {
    const gateway = spawn(process.execPath, [bundle, STAND_IN_PROGRAM, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: gateway.stdout }), "line");
    const leased = JSON.parse(String(line)) as readonly number[];
    const waiting = await untilListed("prepared.1");
    const pids = [...leased, waiting];
    expect(pids.filter(isAlive)).toHaveLength(3);
    for (const pid of [leased[0] ?? 0, waiting]) process.kill(pid, "SIGSTOP");
    gateway.kill("SIGKILL");
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 10_000 });
    await vi.waitUntil(() => leftovers(gateway.pid).length === 0, { timeout: 10_000 });
  });

  it("nothing is left of one that has only begun: no folder, and no control group that it tried", async () => {
    // What a group is tried with.
    writeFileSync(join(programs, "true"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o700 });
    const gateway = spawn(process.execPath, [bundle, STAND_IN_PROGRAM, folder], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, PATH: `${programs}:${process.env["PATH"]}` },
    });
    await vi.waitUntil(() => leftovers(gateway.pid).length > (limits.cpu === "none" ? 0 : 1), { timeout: 10_000 });
    gateway.kill("SIGKILL");
    await vi.waitUntil(() => leftovers(gateway.pid).length === 0, { timeout: 10_000 });
  });
});

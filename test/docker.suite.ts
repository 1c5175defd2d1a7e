import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { VERSION } from "../src/core/version.ts";
import { BUNDLED_MODEL } from "../src/engine/testing/bundled-model.ts";
import { assertEngine, docker } from "../src/platform/docker/docker-cli.ts";
import { createDockerLauncher } from "../src/platform/docker/docker-launcher.ts";
import { buildImage } from "../src/platform/docker/image.ts";
import { openTestEngine } from "../src/platform/docker/testing/test-engine.ts";
import { createPlatform } from "../src/platform/instance-pool.ts";
import type { Launcher } from "../src/platform/launcher.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import type { FunctionSpec } from "../src/platform/platform.ts";
import { callStandIn } from "../src/platform/testing/call-stand-in.ts";
import { isAlive } from "../src/platform/testing/is-alive.ts";
import { describePlatform } from "../src/platform/testing/platform-conformance.ts";
import { STAND_IN_PROGRAM, standInSpec } from "../src/platform/testing/stand-in-spec.ts";
import { askAndKill } from "./testing/kill-cases.ts";
import { ask, questions, startSplit } from "./testing/split-system.ts";

const MEGABYTE = 1e6;
const engine = await openTestEngine();
if (engine.missing !== null) process.stderr.write(`test:docker is skipped: ${engine.missing}\n`);

let tempFolder: string;
beforeAll(() => {
  tempFolder = mkdtempSync(join(tmpdir(), "remoe-test-"));
});
afterAll(async () => {
  rmSync(tempFolder, { recursive: true });
  await engine.close();
});

const startStandIns = (): Promise<Launcher> =>
  createDockerLauncher({ secret: "secret", program: STAND_IN_PROGRAM, tempFolder });

/** Containers and files that only a running platform may have. */
async function leftovers(): Promise<readonly string[]> {
  const containers = await docker(["ps", "--all", "--filter", "label=remoe", "--format", "{{.Names}}"]);
  return [...containers.split("\n").filter(Boolean), ...readdirSync(tempFolder)];
}

describePlatform("the platform docker", async (options) => createPlatform(await startStandIns(), options), {
  limits: { memory: "container", cpu: "container" },
  leftovers,
  skipReason: engine.missing,
});

describe.skipIf(engine.missing !== null)("the image", () => {
  it("holds Node.js and Remoe's libraries in at most 200 MB", async () => {
    const { bytes } = await buildImage();
    expect(bytes).toBeLessThanOrEqual(200 * MEGABYTE);
  });

  it("has the name it is given", async () => {
    const { tag } = await buildImage({ tag: "remoe-test:named" });
    expect(tag).toBe("remoe-test:named");
    expect(await docker(["image", "inspect", "--format", "{{.RepoTags}}", tag])).toContain(tag);
    await docker(["rmi", tag]);
  });

  it("has the commands of a gateway and the bundled model beside the program of functions", async () => {
    const { tag } = await buildImage();
    const run = (...words: string[]) => docker(["run", "--rm", "--network", "none", tag, "/app/remoe.mjs", ...words]);
    expect(JSON.parse(await run("version", "--json"))).toMatchObject({ version: VERSION });
    expect(await run("run", "--help")).toContain("--max-tokens");
    expect(JSON.parse(await run("inspect", "models/tiny-moe/tiny-moe-q8_0.gguf", "--json"))).toMatchObject({
      experts: 16,
    });
  });

  it("is not built again when nothing has changed", async () => {
    const { tag } = await buildImage();
    expect(await buildImage()).toMatchObject({ tag, built: false });
  });

  it("cannot be made of a program that is not there", async () => {
    const built = buildImage({ program: "/nowhere/program.js" });
    await expect(built).rejects.toMatchObject({ code: "CONTAINER_IMAGE_FAILED" });
    await expect(built).rejects.toThrow("/nowhere/program.js");
  });

  it("has no shell", async () => {
    const { tag } = await buildImage();
    const shell = docker(["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", tag, "-c", "true"]);
    await expect(shell).rejects.toThrow();
  });
});

describe.skipIf(engine.missing !== null)("a function in a container", () => {
  let launcher: Launcher;
  beforeEach(async () => {
    launcher = await startStandIns();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await launcher.close();
  });

  /** Runs JavaScript in the function's own container and returns its value. */
  async function evaluateInside(expression: string): Promise<unknown> {
    const [name = ""] = await leftovers();
    return JSON.parse(await docker(["exec", name, "/bin/node", "--print", `JSON.stringify(${expression})`]));
  }

  it("has no rights, a file system it cannot write to, and no network", async () => {
    const { stop } = await launcher.launch(standInSpec(), "experts.1");
    const status = (await evaluateInside("fs.readFileSync('/proc/self/status', 'utf8')")) as string;
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(await evaluateInside("process.getuid()")).not.toBe(0);
    expect(await evaluateInside("Object.keys(os.networkInterfaces())")).toEqual(["lo"]);
    const attempt =
      "['/file', '/app/file', '/etc/file', '/tmp/file'].filter((path) => { try { fs.writeFileSync(path, ''); return true } catch { return false } })";
    expect(await evaluateInside(attempt)).toEqual([]);
    await stop(0);
  });

  it("gets none of the gateway's environment", async () => {
    vi.stubEnv("REMOE_API_KEY", "key");
    const { endpoint, stop } = await launcher.launch(standInSpec(), "experts.1");
    const { environment } = (await callStandIn(endpoint, "/start")) as { environment: Record<string, string> };
    expect(Object.keys(environment).sort()).toEqual([
      "HOME",
      "HOSTNAME",
      "LD_LIBRARY_PATH",
      "PATH",
      "REMOE_CACHE_DIR",
      "REMOE_FUNCTION",
      "UV_THREADPOOL_SIZE",
    ]);
    await stop(0);
  });

  it("reaches the functions in other containers through their sockets", async () => {
    const main = await launcher.launch(standInSpec(), "main.1");
    const experts = await launcher.launch(standInSpec({ memoryMb: 200 }), "experts.1");
    const socket = experts.endpoint.slice("unix:".length);
    const call = `http.get({ socketPath: "${socket}", path: "/start" }, (reply) => reply.pipe(process.stdout))`;
    const [name = ""] = (await leftovers()).filter((left) => left.endsWith("main.1"));
    const reply: unknown = JSON.parse(await docker(["exec", name, "/bin/node", "--eval", call]));
    expect(reply).toMatchObject({ memoryMb: 200 });
    await Promise.all([main.stop(0), experts.stop(0)]);
  });

  it("may be given more processors than the machine has", async () => {
    const { stop } = await launcher.launch(standInSpec({ vcpus: 1_000 }), "experts.1");
    await stop(0);
  });

  it("is removed when its start is given up, at whatever point", async () => {
    for (const ms of [0, 50, 150, 300]) {
      const started = launcher.launch(standInSpec({ start: { hang: true } }), `experts.${ms}`, AbortSignal.timeout(ms));
      await expect(started).rejects.toMatchObject({ name: "TimeoutError" });
      expect(await docker(["ps", "--all", "--quiet", "--filter", "label=remoe"])).toBe("");
    }
  });
});

describe.skipIf(engine.missing !== null)("a real expert function in a container", () => {
  it("starts with the experts it is told to hold", async () => {
    const launcher = await createDockerLauncher({ secret: "secret", tempFolder });
    const program = { role: "experts", model: BUNDLED_MODEL, threads: 1, experts: [[0, 1]] } as const;
    const spec: FunctionSpec = { name: "experts-0", program, memoryMb: 256, vcpus: 1, concurrency: 1 };
    const { coldStart, stop } = await launcher.launch(spec, "experts-0.1");
    expect(coldStart.librariesMs).toBeGreaterThan(0);
    await stop(1_000);
    await launcher.close();
  });
});

describe("without an engine that answers", () => {
  afterEach(() => void vi.unstubAllEnvs());

  it("the platform says so", async () => {
    vi.stubEnv("DOCKER_HOST", "unix:///nowhere/engine.sock");
    const created = createDockerLauncher({ secret: "secret", tempFolder });
    await expect(created).rejects.toMatchObject({ code: "CONTAINER_ENGINE_UNAVAILABLE" });
    expect(readdirSync(tempFolder)).toEqual([]);
  });

  it("nobody waits for one that takes connections and says nothing", async () => {
    const socket = join(tempFolder, "engine.sock");
    const silent = createServer().listen(socket);
    await once(silent, "listening");
    vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
    await expect(assertEngine(300)).rejects.toMatchObject({
      code: "CONTAINER_ENGINE_UNAVAILABLE",
      message: expect.stringContaining("no answer in 0.3 s"),
    });
    silent.close();
  });
});

describe.skipIf(engine.missing !== null)("when the gateway is killed", () => {
  let folder: string;
  let gatewayProgram: string;
  beforeAll(async () => {
    // In the project's folder, where the native packages are found.
    folder = mkdtempSync(join(packageRoot(), "node_modules", ".remoe-test-"));
    gatewayProgram = join(folder, "crashing-gateway.mjs");
    const entry = join(packageRoot(), "src", "platform", "docker", "testing", "crashing-gateway.ts");
    await build({
      entryPoints: [entry],
      outfile: gatewayProgram,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
    });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("nothing is left: no container, even one whose function is stopped, and no socket", async () => {
    const gateway = spawn(process.execPath, [gatewayProgram, STAND_IN_PROGRAM, tempFolder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: gateway.stdout }), "line");
    const pids = JSON.parse(String(line)) as readonly number[];
    expect(pids.filter(isAlive)).toHaveLength(2);
    process.kill(pids[0] ?? 0, "SIGSTOP");
    gateway.kill("SIGKILL");
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 10_000 });
    await vi.waitUntil(async () => (await leftovers()).length === 0, { timeout: 10_000 });
  });
});

describe.skipIf(engine.missing !== null)("a model split over containers", () => {
  const [prompt = ""] = questions(1);
  const question = { prompt, maxTokens: 24 };

  it("answers as it does in one local function, also when a container is killed on the way", async () => {
    const whole = await startSplit({});
    const { tokens: expected } = await ask(whole, question);
    await whole.stop(1_000);

    const system = await startSplit({ remoteRatio: 0.5 }, { platform: "docker" });
    const calm = await ask(system, question);
    expect(calm.tokens).toEqual(expected);
    expect(calm.trace.experts?.remoteRows).toBeGreaterThan(0);
    for (const victim of ["experts", "main"] as const) {
      const kill = { prompt, seed: 0, temperature: 0, victim, atToken: 5, delayMs: 0, signal: "SIGKILL" } as const;
      expect((await askAndKill(system, kill)).tokens).toEqual(expected);
    }
    await system.stop(5_000);
    expect(await docker(["ps", "--all", "--quiet", "--filter", "label=remoe"])).toBe("");
  });
});

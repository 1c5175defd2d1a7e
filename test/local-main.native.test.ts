import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { remoeError } from "../src/core/errors.ts";
import { Engine } from "../src/engine/engine.ts";
import type { GenerationToken } from "../src/engine/generation.ts";
import { BUNDLED_MODEL, bundledPrompts } from "../src/engine/testing/bundled-model.ts";
import { runGeneration } from "../src/engine/testing/run-generation.ts";
import { temporaryFolder } from "../src/engine/testing/temporary-folder.ts";
import { authorisation } from "../src/functions/authorisation.ts";
import { connectMain } from "../src/functions/main-client.ts";
import type { DoneEvent, GenerateRequest, MainFunction, TokenEvent } from "../src/functions/protocol.ts";
import { type FunctionStart, type MainProgram, TOLD_BY_PARENT } from "../src/functions/spec.ts";
import { connectMains } from "../src/gateway/connect-mains.ts";
import { acquireFunctions } from "../src/gateway/function-set.ts";
import { loadNative } from "../src/ggml/library.ts";
import { readGguf } from "../src/gguf/read.ts";
import { GREEDY } from "../src/model/sampling.ts";
import { functionCommand } from "../src/platform/function-command.ts";
import { createPlatform } from "../src/platform/instance-pool.ts";
import { createLocalLauncher } from "../src/platform/local/local-launcher.ts";
import type { FunctionSpec, Lease, Platform } from "../src/platform/platform.ts";
import { isAlive } from "../src/platform/testing/is-alive.ts";
import { startRemoe } from "./run-remoe.ts";

const native = loadNative();
const prompts = bundledPrompts(native, 20);
const [prompt = [], other = []] = prompts;
const PROGRAM: MainProgram = {
  role: "main",
  model: BUNDLED_MODEL,
  contextLength: 1024,
  parallel: 1,
  threads: 1,
  numerics: "default",
  device: null,
  experts: null,
};
const SECRET = "secret";
const ROUNDING = { granularityMs: 1, minimumMs: 0 };
const DEADLINE_MS = 20_000;

/** Where functions put their sockets in this test. */
let folder: string;
let platform: Platform;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
  platform = createPlatform(createLocalLauncher({ secret: SECRET, tempFolder: folder }));
});
afterEach(async () => {
  await platform.close(0);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

function specOf({ memoryMb = 1024, ...program }: Partial<MainProgram> & { readonly memoryMb?: number } = {}) {
  const spec: FunctionSpec = {
    name: "main",
    memoryMb,
    vcpus: 2,
    concurrency: 1,
    program: { ...PROGRAM, ...program },
  };
  return spec;
}

/** @param REMOE_FUNCTION its start, or that it is told */
function spawnFunction(REMOE_FUNCTION: string) {
  const [file = "", ...parameters] = functionCommand();
  return spawn(file, parameters, { env: { ...process.env, REMOE_FUNCTION }, stdio: ["pipe", "pipe", "inherit"] });
}

async function firstReport({ stdout }: ReturnType<typeof spawnFunction>): Promise<unknown> {
  const [line] = await once(createInterface({ input: stdout }), "line");
  return JSON.parse(String(line));
}

interface StartedMain {
  readonly lease: Lease;
  readonly main: MainFunction;
}

async function start(program: Partial<MainProgram> = {}, secret = SECRET): Promise<StartedMain> {
  const lease = await platform.acquire(specOf(program));
  return { lease, main: connectMains(secret, () => performance.now())(lease) };
}

/** Never with 0, which would be this process and its family. */
function kill(instance: { readonly pid: number | null } | undefined, signal: NodeJS.Signals): void {
  if (instance?.pid == null) throw new Error("there is no process to kill");
  process.kill(instance.pid, signal);
}

const request = (options: Partial<GenerateRequest> = {}): GenerateRequest => ({
  generationId: "test",
  promptTokens: prompt,
  replayTokens: [],
  maxTokens: 12,
  sampling: GREEDY,
  stopTokens: [],
  topLogprobs: null,
  traceTokens: 0,
  functions: [],
  rows: "f32",
  rounding: ROUNDING,
  ...options,
});

/** As many tokens as are asked for, the prompt again and again. */
const longPrompt = (length: number): number[] => Array.from({ length }, (_, i) => prompt[i % prompt.length] as number);

interface Answer {
  readonly tokens: readonly TokenEvent[];
  readonly done: DoneEvent | undefined;
}

interface Collecting {
  readonly signal?: AbortSignal;
  /** Told how many tokens have come, after each. */
  readonly onToken?: (count: number) => void;
}

async function collect(
  main: MainFunction,
  options: Partial<GenerateRequest> = {},
  { signal = new AbortController().signal, onToken }: Collecting = {},
): Promise<Answer> {
  const tokens: TokenEvent[] = [];
  let done: DoneEvent | undefined;
  for await (const event of main.generate(request(options), signal)) {
    if (event.type === "done") done = event;
    if (event.type === "token") {
      tokens.push(event);
      onToken?.(tokens.length);
    }
  }
  return { tokens, done };
}

async function inProcess(promptTokens: readonly number[], maxTokens: number) {
  using engine = await Engine.load(native, readGguf(BUNDLED_MODEL), { threads: 1, contextLength: 1024 });
  return await runGeneration(engine, promptTokens, { maxTokens, topLogprobs: 3 });
}

/** What the engine said of them; when they were made is another matter. */
function generated(tokens: readonly TokenEvent[]): readonly GenerationToken[] {
  return tokens.map(({ atMs, ...token }) => token);
}

describe("a main function", () => {
  it("generates what the engine generates in this process, logprobs and trace included", async () => {
    const { main } = await start();
    const expected = await inProcess(prompt, 12);
    const { tokens, done } = await collect(main, { topLogprobs: 3 });
    expect(generated(tokens)).toEqual(expected.events);
    expect(done).toEqual({
      ...expected.done,
      timings: done?.timings,
      remote: [],
      faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 },
      peakMemoryMb: done?.peakMemoryMb,
    });
    expect(Object.keys(done?.timings ?? {}).sort()).toEqual(["busyMs", "decodeMs", "prefillMs", "queueMs"]);
    expect(done?.peakMemoryMb).toBeGreaterThan(0);
  });

  it("says where the time of its start went", async () => {
    const { coldStart } = (await start()).lease;
    const { totalMs = 0, pod: _pod, ...parts } = coldStart ?? {};
    expect(Object.keys(parts).sort()).toEqual(["librariesMs", "processMs", "weightsMs"]);
    expect(Object.values(parts).every((ms) => ms >= 0)).toBe(true);
    expect(Object.values(parts).reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(totalMs + 1);
  });

  it("answers one request after the other, in the order they came", async () => {
    const { main } = await start();
    const order: string[] = [];
    const answers = await Promise.all(
      [prompt, other].map((promptTokens, i) =>
        collect(main, { promptTokens, maxTokens: 60 }, { onToken: () => void order.push(`request ${i}`) }),
      ),
    );
    expect(order).toEqual([...Array(60).fill("request 0"), ...Array(60).fill("request 1")]);
    expect(answers[1]?.done?.timings.queueMs).toBeGreaterThan(answers[0]?.done?.timings.queueMs ?? Number.NaN);
    const expected = await inProcess(other, 60);
    expect(answers[1]?.tokens.map(({ token }) => token)).toEqual(expected.tokens);
  });

  it("gives each request the tokens it has alone, whether it is computed with others or waits", async () => {
    const { main } = await start({ parallel: 2 });
    const three = prompts.slice(0, 3).map((promptTokens) => ({ promptTokens, maxTokens: 60 }));
    const alone: (readonly GenerationToken[])[] = [];
    for (const each of three) alone.push(generated((await collect(main, each)).tokens));
    const together = await Promise.all(three.map((each, i) => collect(main, { ...each, generationId: `${i}` })));
    expect(together.map(({ tokens }) => generated(tokens))).toEqual(alone);
  });

  it("passes on its own errors, and goes on serving", async () => {
    const { main } = await start({ contextLength: 64 });
    const promptTokens = prompts.flat().slice(0, 64);
    await expect(collect(main, { promptTokens })).rejects.toMatchObject({
      code: "CONTEXT_LENGTH_EXCEEDED",
      details: { promptTokens: 64, contextLength: 64 },
    });
    expect((await collect(main, { maxTokens: 2 })).tokens).toHaveLength(2);
  });

  it("says when each token was made", async () => {
    const { main } = await start();
    const { tokens, done } = await collect(main, {});
    const times = tokens.map(({ atMs }) => atMs);
    const { prefillMs = 0, decodeMs = 0 } = done?.timings ?? {};
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    expect(times[0]).toBeGreaterThanOrEqual(prefillMs);
    expect((times.at(-1) as number) - (times[0] as number)).toBeLessThanOrEqual(decodeMs);
    expect(new Set(times).size).toBe(tokens.length);
  });

  it("goes on where a lost one was when it is given its tokens", async () => {
    const { main } = await start();
    const expected = await inProcess(prompt, 12);
    const { tokens, done } = await collect(main, { replayTokens: expected.tokens.slice(0, 5), topLogprobs: 3 });
    expect(generated(tokens)).toEqual(expected.events.slice(5));
    expect(done?.completionTokens).toBe(12);
  });
});

describe("what a main function is sent", () => {
  /** → status and body */
  async function post({ endpoint }: Lease, path: string, { body, secret }: { body: string; secret: string | null }) {
    const headers = secret === null ? {} : { authorization: authorisation(secret) };
    const socketPath = endpoint.slice("unix:".length);
    const exchange = httpRequest({ socketPath, path, method: "POST", headers, agent: false }).end(body);
    const [response] = (await once(exchange, "response")) as [IncomingMessage];
    return [response.statusCode, await text(response)];
  }

  it.each([
    ["no secret", null],
    ["a wrong secret", "guess"],
  ])("by a peer with %s is refused", async (_, secret) => {
    const { lease, main } = await start();
    for (const path of ["/generate", "/finish", "/replicas"]) {
      expect(await post(lease, path, { body: JSON.stringify(request()), secret })).toEqual([401, ""]);
    }
    expect((await collect(main, { maxTokens: 2 })).tokens).toHaveLength(2);
  });

  it("by the gateway with another secret gives no token", async () => {
    const { main } = await start({}, "guess");
    await expect(collect(main)).rejects.toMatchObject({ code: "FUNCTION_LOST" });
  });

  it("and is garbage is refused with a reason, and the next request is served", async () => {
    const { lease, main } = await start();
    const [status, answer] = await post(lease, "/generate", { body: "{{{", secret: SECRET });
    expect([status, JSON.parse(String(answer))]).toMatchObject([200, { type: "error", error: {} }]);
    for (const path of ["/finish", "/replicas"]) {
      expect(await post(lease, path, { body: "{{{", secret: SECRET })).toEqual([400, expect.stringContaining("code")]);
    }
    expect((await post(lease, "/nothing", { body: "", secret: SECRET }))[0]).toBe(404);
    expect((await collect(main, { maxTokens: 2 })).tokens).toHaveLength(2);
  });
});

describe("cancelling", () => {
  const reason = remoeError("REQUEST_CANCELLED", {});

  it("rejects with the signal's reason and frees the function for the next request", async () => {
    const { main } = await start();
    const controller = new AbortController();
    const abortAtThird = (count: number): void => {
      if (count === 3) controller.abort(reason);
    };
    const cancelled = collect(main, { maxTokens: 900 }, { signal: controller.signal, onToken: abortAtThird });
    await expect(cancelled).rejects.toBe(reason);
    const { tokens, done } = await collect(main);
    expect(tokens.map(({ token }) => token)).toEqual((await inProcess(prompt, 12)).tokens);
    expect(done?.finishReason).toBe("length");
  });

  it("by asking to finish ends the answer with what was counted", async () => {
    const { main } = await start();
    const asked: Promise<void>[] = [];
    const finishAtThird = (count: number): void => {
      if (count === 3) asked.push(main.finish("test"));
    };
    const { tokens, done } = await collect(main, { maxTokens: 900 }, { onToken: finishAtThird });
    await Promise.all(asked);
    expect(done).toMatchObject({ finishReason: "cancelled", completionTokens: tokens.length });
    expect(tokens.length).toBeLessThan(900);
  });

  it("a request that waits for its turn does not disturb the running one", async () => {
    const { main } = await start();
    const controller = new AbortController();
    const cancelled: Promise<void>[] = [];
    const onToken = (count: number): void => {
      if (count === 1) cancelled.push(expect(collect(main, {}, { signal: controller.signal })).rejects.toBe(reason));
      if (count === 5) controller.abort(reason);
    };
    const { tokens } = await collect(main, { maxTokens: 100 }, { onToken });
    await Promise.all(cancelled);
    expect(tokens).toHaveLength(100);
    expect(cancelled).toHaveLength(1);
  });

  it("a request whose client left while it waited does not hold up the next one", async () => {
    const { main } = await start();
    const controller = new AbortController();
    const left: Promise<void>[] = [];
    const onToken = (count: number): void => {
      if (count === 1)
        left.push(expect(collect(main, { maxTokens: 900 }, { signal: controller.signal })).rejects.toBe(reason));
      if (count === 50) controller.abort(reason);
    };
    await collect(main, { maxTokens: 100 }, { onToken });
    await Promise.all(left);
    const next = await Promise.race([collect(main, { maxTokens: 3 }), timeout(5000)]);
    expect(next?.tokens).toHaveLength(3);
  });

  it("before it is sent sends nothing", async () => {
    const { main } = await start();
    await expect(collect(main, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

/** A wait that ends, for what must not take for ever. */
function timeout(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

describe("the end of a main function", () => {
  it("by force in the middle of an answer is FUNCTION_LOST, and the signal is named", async () => {
    const { main, lease } = await start();
    const killAtSecond = (count: number): void => {
      if (count === 2) kill(lease, "SIGKILL");
    };
    const killed = collect(main, { maxTokens: 900 }, { onToken: killAtSecond });
    await expect(killed).rejects.toMatchObject({ code: "FUNCTION_LOST", message: expect.stringContaining("SIGKILL") });
    expect(await lease.exited).toMatchObject({ reason: "crashed", description: expect.stringContaining("SIGKILL") });
    await expect(collect(main)).rejects.toMatchObject({ code: "FUNCTION_LOST" });
  });

  it("is also that it hangs: one that is silent and does not answer is lost, one that takes its time is not", async () => {
    const { lease } = await start();
    const main = connectMain(lease.endpoint, { secret: SECRET, whyLost: async () => "unknown", silenceMs: 200 });
    const stopAtSecond = (count: number): void => {
      if (count === 2) kill(lease, "SIGSTOP");
    };
    const hung = collect(main, { maxTokens: 900 }, { onToken: stopAtSecond });
    await expect(hung).rejects.toMatchObject({ code: "FUNCTION_LOST", message: expect.stringContaining("silent") });
    kill(lease, "SIGCONT");
    const slow = await collect(main, { promptTokens: longPrompt(900), maxTokens: 4 });
    expect(slow.tokens).toHaveLength(4);
    main.close();
  });

  it("by force does not show in an answer that goes through the gateway's functions", async () => {
    const never = new AbortController().signal;
    const functions = await acquireFunctions(
      {
        platform,
        specs: { main: specOf(), experts: [] },
        connect: connectMains(SECRET, () => performance.now()),
        rows: "f32",
        rounding: ROUNDING,
        gpuMemoryMb: 0,
      },
      never,
    );
    const killLeased = (): void => {
      const [leased] = platform.list().filter(({ state }) => state === "leased");
      kill(leased, "SIGKILL");
    };
    const events: TokenEvent[] = [];
    for await (const event of functions.generate(request({ maxTokens: 40, topLogprobs: 3 }), never)) {
      if (event.type === "token") events.push(event);
      if (event.type === "token" && events.length % 15 === 0) killLeased();
    }
    functions.release();
    expect(generated(events)).toEqual((await inProcess(prompt, 40)).events);
    expect(functions.mainRestarts).toBe(2);
    expect(functions.usage()).toMatchObject([{ function: "main", invocations: 3 }]);
  });

  it.each([1, 2])("on request comes after the running answers, %s at a time, which are complete", async (parallel) => {
    const { main, lease } = await start({ parallel });
    const stopping: Promise<void>[] = [];
    const stopAtFirst = (): void => {
      if (stopping.length === 0) stopping.push(platform.close(DEADLINE_MS));
    };
    const answers = await Promise.all(
      [prompt, other].map((promptTokens) =>
        collect(
          main,
          { promptTokens, maxTokens: 150, topLogprobs: 20, generationId: `${promptTokens}` },
          { onToken: stopAtFirst },
        ),
      ),
    );
    await Promise.all(stopping);
    expect(answers.map(({ tokens, done }) => [tokens.length, done?.completionTokens])).toEqual([
      [150, 150],
      [150, 150],
    ]);
    expect(await lease.exited).toEqual({ reason: "stopped", description: "it exited with code 0" });
  });

  it("comes by force when the deadline has passed", async () => {
    const { main, lease } = await start();
    const stopping: Promise<void>[] = [];
    const stopAtFirst = (count: number): void => {
      if (count === 1) stopping.push(platform.close(0));
    };
    const cut = collect(main, { maxTokens: 900 }, { onToken: stopAtFirst });
    await expect(cut).rejects.toMatchObject({ code: "FUNCTION_LOST" });
    await Promise.all(stopping);
    expect(await lease.exited).toMatchObject({ reason: "stopped", description: expect.stringContaining("SIGKILL") });
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("leaves no socket behind (%s)", async (signal) => {
    const { lease } = await start();
    const socket = lease.endpoint.slice("unix:".length);
    expect(existsSync(socket)).toBe(true);
    kill(lease, signal);
    await lease.exited;
    expect(existsSync(socket)).toBe(false);
  });

  it("comes with that of whoever started it: when its standard input closes", async () => {
    const socket = join(temporaryFolder(), "main.sock");
    const start: FunctionStart = {
      name: "main",
      program: PROGRAM,
      memoryMb: 1024,
      listen: `unix:${socket}`,
      secret: SECRET,
      vcpus: 2,
      spawnedAt: Date.now(),
    };
    const child = spawnFunction(JSON.stringify(start));
    expect(await firstReport(child)).toMatchObject({ type: "ready" });
    child.stdin.end();
    expect(await once(child, "close")).toEqual([0, null]);
    expect(existsSync(socket)).toBe(false);
  });

  it("comes with that of the gateway, killed with no chance to say so: no process and no file is left", async () => {
    const own = temporaryFolder();
    const remoe = startRemoe(["serve", "--port", "0"], { env: { TMPDIR: own } });
    const [, url = ""] = await remoe.saw("stderr", /serving \S+ at (\S+),/);
    const { instances } = (await (await fetch(`${url}/remoe/instances`)).json()) as { instances: { pid: number }[] };
    expect(instances.map(({ pid }) => isAlive(pid))).toEqual([true]);
    remoe.child.kill("SIGKILL");
    await remoe.ended;
    await expect.poll(() => instances.map(({ pid }) => isAlive(pid)), { timeout: DEADLINE_MS }).toEqual([false]);
    await expect.poll(() => readdirSync(own), { timeout: DEADLINE_MS }).toEqual([]);
  });
});

describe("a main function that was expected", () => {
  it("serves as any other: its process is the one that was prepared", async () => {
    const stopExpecting = platform.expectStart();
    const { main, lease } = await start();
    stopExpecting();
    const { tokens } = await collect(main, { topLogprobs: 3 });
    expect(generated(tokens)).toEqual((await inProcess(prompt, 12)).events);
    const [own = ""] = readdirSync(folder);
    expect(readdirSync(join(folder, own)).sort()).toEqual(["main.1.sock", "prepared.1.pid"]);
    expect(platform.list()).toMatchObject([{ id: "main.1", pid: lease.pid }]);
  });

  it("is what a gateway starts for a request that comes when nothing is warm", async () => {
    const own = temporaryFolder();
    const remoe = startRemoe(["serve", "--port", "0"], { env: { TMPDIR: own } });
    onTestFinished(() => void remoe.child.kill("SIGKILL"));
    const [, url = ""] = await remoe.saw("stderr", /serving \S+ at (\S+),/);
    const instances = async () => {
      const response = await fetch(`${url}/remoe/instances`);
      return ((await response.json()) as { instances: { pid: number }[] }).instances;
    };
    const complete = async () => {
      const body = JSON.stringify({ prompt: "Once upon a time", max_tokens: 1 });
      const headers = { "content-type": "application/json" };
      expect((await fetch(`${url}/v1/completions`, { method: "POST", headers, body })).status).toBe(200);
    };
    await complete();
    kill((await instances())[0], "SIGKILL");
    await expect.poll(instances, { timeout: DEADLINE_MS }).toEqual([]);
    await complete();
    const files = readdirSync(own, { recursive: true }).map((path) => basename(String(path)));
    expect(files).toEqual(expect.arrayContaining(["main.2.sock", "prepared.1.pid"]));
    remoe.child.kill("SIGTERM");
    await remoe.ended;
    expect(readdirSync(own)).toEqual([]);
  });

  it("fails when it is told something else than a start", async () => {
    const child = spawnFunction(TOLD_BY_PARENT);
    const closed = once(child, "close");
    child.stdin.write("Hello!\n");
    expect(await firstReport(child)).toMatchObject({
      type: "failed",
      error: { code: "FUNCTION_FAILED", message: expect.stringContaining("standard input") },
    });
    expect(await closed).toEqual([1, null]);
  });

  it("ends when whoever started it is gone before it is told what it is", async () => {
    const child = spawnFunction(TOLD_BY_PARENT);
    child.stdin.end();
    expect(await once(child, "close")).toEqual([0, null]);
  });
});

describe("a main function that cannot start", () => {
  it.each([
    ["a model that is not there", "missing.gguf", undefined, "MODEL_NOT_FOUND"],
    ["a file that is no model", "text.gguf", "just some text, longer than a header", "MODEL_FILE_INVALID"],
  ])("says why: %s", async (_, name, content, code) => {
    const model = join(temporaryFolder(), name);
    if (content !== undefined) writeFileSync(model, content);
    await expect(start({ model })).rejects.toMatchObject({ code, message: expect.stringContaining(model) });
  });

  it("says how much memory it needs when it is given less", async () => {
    await expect(platform.acquire(specOf({ memoryMb: 96 }))).rejects.toMatchObject({
      code: "FUNCTION_MEMORY_TOO_SMALL",
      details: { limitMb: 96 },
    });
  });

  it("leaves no process and no socket", async () => {
    await expect(start({ model: join(folder, "missing.gguf") })).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    expect(platform.list()).toEqual([]);
    expect(readdirSync(folder, { recursive: true }).filter((name) => /sock|pid/.test(String(name)))).toEqual([]);
  });
});

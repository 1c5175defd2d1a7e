import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { remoeError } from "../src/core/errors.ts";
import { Engine } from "../src/engine/engine.ts";
import { BUNDLED_MODEL, bundledPrompts } from "../src/engine/testing/bundled-model.ts";
import { runGeneration } from "../src/engine/testing/run-generation.ts";
import type { DoneEvent, GenerateRequest, TokenEvent } from "../src/functions/protocol.ts";
import type { MainFunctionSpec } from "../src/functions/spec.ts";
import { loadNative } from "../src/ggml/library.ts";
import { readGguf } from "../src/gguf/read.ts";
import { GREEDY } from "../src/model/sampling.ts";
import { type LocalMainFunction, type LocalSpec, startLocalMain } from "../src/platform/local-process.ts";

const native = loadNative();
const prompts = bundledPrompts(native, 20);
const [prompt = [], other = []] = prompts;
const SPEC: LocalSpec = { model: BUNDLED_MODEL, contextLength: 1024, threads: 1, numerics: "default", device: null };
const DEADLINE_MS = 20_000;

/** Where functions put their sockets in this test. */
let folder: string;
const started: LocalMainFunction[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
  vi.stubEnv("TMPDIR", folder);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((main) => main.stop(0)));
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function start(spec: Partial<LocalSpec> = {}): Promise<LocalMainFunction> {
  const main = await startLocalMain({ ...SPEC, ...spec });
  started.push(main);
  return main;
}

const request = (options: Partial<GenerateRequest> = {}): GenerateRequest => ({
  requestId: "test",
  promptTokens: prompt,
  maxTokens: 12,
  sampling: GREEDY,
  stopTokens: [],
  topLogprobs: null,
  ...options,
});

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
  main: LocalMainFunction,
  options: Partial<GenerateRequest> = {},
  { signal = new AbortController().signal, onToken }: Collecting = {},
): Promise<Answer> {
  const tokens: TokenEvent[] = [];
  let done: DoneEvent | undefined;
  for await (const event of main.generate(request(options), signal)) {
    if (event.type === "done") {
      done = event;
    } else {
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

describe("a main function", () => {
  it("generates what the engine generates in this process, logprobs and trace included", async () => {
    const main = await start();
    const expected = await inProcess(prompt, 12);
    const { tokens, done } = await collect(main, { topLogprobs: 3 });
    expect(tokens).toEqual(expected.events);
    expect(done).toEqual({ ...expected.done, timings: done?.timings });
    expect(Object.keys(done?.timings ?? {}).sort()).toEqual(["decodeMs", "prefillMs", "queueMs"]);
  });

  it("says where the time of its start went", async () => {
    const { coldStart } = await start();
    const { totalMs, ...parts } = coldStart;
    expect(Object.keys(parts).sort()).toEqual(["librariesMs", "processMs", "weightsMs"]);
    expect(Object.values(parts).every((ms) => ms >= 0)).toBe(true);
    expect(Object.values(parts).reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(totalMs + 1);
  });

  it("answers one request after the other, in the order they came", async () => {
    const main = await start();
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

  it("passes on its own errors, and goes on serving", async () => {
    const main = await start({ contextLength: 64 });
    const promptTokens = prompts.flat().slice(0, 64);
    await expect(collect(main, { promptTokens })).rejects.toMatchObject({
      code: "CONTEXT_LENGTH_EXCEEDED",
      details: { promptTokens: 64, contextLength: 64 },
    });
    expect((await collect(main, { maxTokens: 2 })).tokens).toHaveLength(2);
  });
});

describe("cancelling", () => {
  const reason = remoeError("REQUEST_CANCELLED", {});

  it("rejects with the signal's reason and frees the function for the next request", async () => {
    const main = await start();
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

  it("a request that waits for its turn does not disturb the running one", async () => {
    const main = await start();
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
    const main = await start();
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
    const main = await start();
    await expect(collect(main, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

/** A wait that ends, for what must not take for ever. */
function timeout(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

describe("the end of a main function", () => {
  it("by force in the middle of an answer is FUNCTION_LOST, and the signal is named", async () => {
    const main = await start();
    const killed = collect(
      main,
      { maxTokens: 900 },
      {
        onToken: (count) => {
          if (count === 2) process.kill(main.pid, "SIGKILL");
        },
      },
    );
    await expect(killed).rejects.toMatchObject({ code: "FUNCTION_LOST", message: expect.stringContaining("SIGKILL") });
    expect(await main.exited).toContain("SIGKILL");
    await expect(collect(main)).rejects.toMatchObject({ code: "FUNCTION_LOST" });
  });

  it("on request comes after the running answers, which are complete", async () => {
    const main = await start();
    const stopping: Promise<void>[] = [];
    const answers = await Promise.all(
      [prompt, other].map((promptTokens) =>
        collect(
          main,
          { promptTokens, maxTokens: 150, topLogprobs: 20 },
          {
            onToken: () => {
              if (stopping.length === 0) stopping.push(main.stop(DEADLINE_MS));
            },
          },
        ),
      ),
    );
    await Promise.all(stopping);
    expect(answers.map(({ tokens, done }) => [tokens.length, done?.completionTokens])).toEqual([
      [150, 150],
      [150, 150],
    ]);
    expect(await main.exited).toBe("it exited with code 0");
  });

  it("comes by force when the deadline has passed", async () => {
    const main = await start();
    const stopping: Promise<void>[] = [];
    const stopAtFirst = (count: number): void => {
      if (count === 1) stopping.push(main.stop(0));
    };
    const cut = collect(main, { maxTokens: 900 }, { onToken: stopAtFirst });
    await expect(cut).rejects.toMatchObject({ code: "FUNCTION_LOST" });
    await Promise.all(stopping);
    expect(await main.exited).toContain("SIGKILL");
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("leaves no socket behind (%s)", async (signal) => {
    const main = await start();
    expect(readdirSync(folder)).toHaveLength(1);
    process.kill(main.pid, signal);
    await main.exited;
    expect(readdirSync(folder)).toEqual([]);
  });

  it("comes with that of whoever started it: when its standard input closes", async () => {
    const program = fileURLToPath(new URL("../dist/functions/main.js", import.meta.url));
    const spec: MainFunctionSpec = { ...SPEC, role: "main", listen: join(folder, "main.sock"), spawnedAt: Date.now() };
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, REMOE_FUNCTION: JSON.stringify(spec) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    expect(JSON.parse(String(line))).toMatchObject({ type: "ready" });
    child.stdin.end();
    expect(await once(child, "close")).toEqual([0, null]);
    expect(existsSync(spec.listen)).toBe(false);
  });
});

describe("a main function that cannot start", () => {
  it.each([
    ["a model that is not there", "missing.gguf", undefined, "MODEL_NOT_FOUND"],
    ["a file that is no model", "text.gguf", "just some text, longer than a header", "MODEL_FILE_INVALID"],
  ])("says why: %s", async (_, name, content, code) => {
    const model = join(folder, name);
    if (content !== undefined) writeFileSync(model, content);
    await expect(start({ model })).rejects.toMatchObject({ code, message: expect.stringContaining(model) });
  });

  it("leaves no process and no socket", async () => {
    await expect(start({ model: join(folder, "missing.gguf") })).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    await vi.waitUntil(() => readdirSync(folder).length === 0, { timeout: DEADLINE_MS });
  });
});

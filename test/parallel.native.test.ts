import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BUNDLED_MODEL } from "../src/engine/testing/bundled-model.ts";
import { loadNative } from "../src/ggml/library.ts";
import { Vocabulary } from "../src/ggml/vocabulary.ts";
import type { InstanceReport } from "../src/platform/platform.ts";
import { type RunningRemoe, runRemoe, startRemoe } from "./run-remoe.ts";
import { questions } from "./testing/split-system.ts";
import { type StreamedAnswer, type StreamQuestion, streamCompletion } from "./testing/stream-completion.ts";

const PARALLEL = 4;
const { endOfGeneration } = new Vocabulary(loadNative(), BUNDLED_MODEL);
/** Long answers: all of them are on their way when the last one has begun. */
const STREAMS: readonly StreamQuestion[] = questions(PARALLEL).map((prompt, seed) => {
  return { prompt, seed, maxTokens: 200, without: endOfGeneration };
});
/** Of the price book that is used by default. */
const GRANULARITY_MS = 1;
const TEST_MS = 120_000;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const textsOf = (answers: readonly StreamedAnswer[]): readonly string[] => answers.map(({ text }) => text);

describe.each([
  { where: "in one function", flags: [] },
  { where: "in several functions", flags: ["--remote-ratio", "0.5", "--expert-functions", "2"] },
])("four requests at the same time, with experts $where", ({ flags }) => {
  let remoe: RunningRemoe;
  let url: string;
  /** The answers that each gets when nobody else asks. */
  let alone: readonly StreamedAnswer[];
  beforeAll(async () => {
    remoe = startRemoe(["serve", "--parallel", String(PARALLEL), "--threads", "1", "--port", "0", ...flags]);
    [, url = ""] = await remoe.saw("stderr", /serving \S+ at (\S+),/);
    const answers: StreamedAnswer[] = [];
    for (const stream of STREAMS) answers.push(await streamCompletion(url, stream));
    alone = answers;
  }, TEST_MS);
  afterAll(async () => {
    remoe.child.kill("SIGTERM");
    await remoe.ended;
    expect(remoe.isAlive()).toBe(false);
  }, TEST_MS);

  const askTogether = (onProgress: (stream: number) => void = () => {}): Promise<StreamedAnswer>[] =>
    STREAMS.map((stream, index) => streamCompletion(url, { ...stream, onProgress: () => onProgress(index) }));

  async function instances(role: InstanceReport["role"]): Promise<readonly InstanceReport[]> {
    const body = (await (await fetch(`${url}/remoe/instances`)).json()) as { readonly instances: InstanceReport[] };
    return body.instances.filter((each) => each.role === role);
  }

  /** Waits until the gateway has taken everything back. */
  const untilIdle = () =>
    expect.poll(async () => (await instances("main")).map(({ state }) => state), { timeout: 10_000 }).toEqual(["idle"]);

  it(
    "get what each gets alone, from one main function whose time their bills share",
    async () => {
      const began = performance.now();
      const answers = await Promise.all(askTogether());
      const wallMs = performance.now() - began;
      expect(textsOf(answers)).toEqual(textsOf(alone));
      expect(await instances("main")).toHaveLength(1);

      const busy = answers.map(({ bill }) => bill.items.find(({ role, phase }) => role === "main" && phase === "busy"));
      const elapsedMs = answers.map(({ timings }) => timings.prefillMs + timings.decodeMs);
      for (const [index, item] of busy.entries()) expect(item?.billedMs).toBeLessThan(elapsedMs[index] ?? 0);
      const gbSeconds = sum(busy.map((item) => item?.gbSeconds ?? 0));
      const toGbSeconds = (ms: number): number => ((busy[0]?.memoryMb ?? 0) / 1024) * (ms / 1000);
      expect(gbSeconds).toBeGreaterThanOrEqual(toGbSeconds(Math.max(...elapsedMs)));
      expect(gbSeconds).toBeLessThanOrEqual(toGbSeconds(wallMs + PARALLEL * GRANULARITY_MS));
    },
    TEST_MS,
  );

  it(
    "go on when one's client leaves, who is billed for what was done",
    async () => {
      const busySeconds = async (): Promise<number> => {
        const metrics = await (await fetch(`${url}/metrics`)).text();
        return Number(/remoe_billed_seconds_total\{role="main",phase="busy"\} (\S+)/.exec(metrics)?.[1]);
      };
      await untilIdle();
      const before = await busySeconds();
      const client = new AbortController();
      const [, ...others] = STREAMS;
      const leaving = streamCompletion(url, {
        ...(STREAMS[0] as StreamQuestion),
        signal: client.signal,
        onProgress: () => client.abort(),
      });
      const [left, ...answers] = await Promise.allSettled([
        leaving,
        ...others.map((stream) => streamCompletion(url, stream)),
      ]);
      expect(left.status).toBe("rejected");
      const whole = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
      expect(textsOf(whole)).toEqual(textsOf(alone).slice(1));
      await untilIdle();
      const billedMs = sum(
        whole.flatMap(({ bill }) =>
          bill.items.filter(({ role, phase }) => role === "main" && phase === "busy").map((item) => item.billedMs),
        ),
      );
      expect((await busySeconds()) - before).toBeGreaterThan(billedMs / 1000);
    },
    TEST_MS,
  );

  it.each<InstanceReport["role"]>(flags.length === 0 ? ["main"] : ["main", "experts"])(
    "survive that one function is killed, of role %s",
    async (role) => {
      const [victim] = await instances(role);
      const silent = new Set(STREAMS.keys());
      const killWhenAllSpeak = (stream: number): void => {
        if (silent.delete(stream) && silent.size === 0) process.kill(victim?.pid as number, "SIGKILL");
      };
      const answers = await Promise.all(askTogether(killWhenAllSpeak));
      expect(silent.size).toBe(0);
      expect(textsOf(answers)).toEqual(textsOf(alone));
      const now = await instances(role);
      expect(now.map(({ pid }) => pid)).not.toContain(victim?.pid);
      expect(await instances("main")).toHaveLength(1);
    },
    TEST_MS,
  );
});

it.each(["0", "65", "two"])("--parallel %s is refused with the limits", async (parallel) => {
  const { code, stderr } = await runRemoe(["serve", "--parallel", parallel]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("Give a whole number from 1 to 64.")]);
});

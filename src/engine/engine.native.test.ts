import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { logprobs } from "../model/logprobs.ts";
import { GREEDY } from "../model/sampling.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import type { ActivationCounts, GenerationEvent } from "./generation.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";

const native = loadNative();
const file = readGguf(BUNDLED_MODEL);
const prompts = bundledPrompts(native, 40);
const [prompt = [], other = []] = prompts;
const text = prompts.flat();

const load = (options: Partial<EngineOptions> = {}): Promise<Engine> =>
  Engine.load(native, file, { threads: 2, contextLength: 1024, ...options });

describe("a generation ends", () => {
  it("at a stop token, which is not reported", async () => {
    using engine = await load();
    const { tokens } = await runGeneration(engine, prompt, { maxTokens: 20 });
    const stop = tokens[7] as number;
    const stopped = await runGeneration(engine, prompt, { maxTokens: 20, stopTokens: [stop] });
    expect(stopped.tokens).toEqual(tokens.slice(0, tokens.indexOf(stop)));
    expect(stopped.done).toMatchObject({ finishReason: "stop", completionTokens: stopped.tokens.length });
  });

  it.each([0, 1, 5])("after maxTokens = %i tokens", async (maxTokens) => {
    using engine = await load();
    const { tokens, done } = await runGeneration(engine, prompt, { maxTokens });
    expect(tokens).toHaveLength(maxTokens);
    expect(done).toMatchObject({ finishReason: "length", completionTokens: maxTokens });
  });

  it("where the context ends, with the same tokens as in a longer context", async () => {
    using short = await load({ contextLength: prompt.length + 6 });
    using long = await load();
    const cut = await runGeneration(short, prompt, { maxTokens: 100 });
    expect(cut.done).toMatchObject({ finishReason: "length", completionTokens: 6 });
    expect(cut.tokens).toEqual((await runGeneration(long, prompt, { maxTokens: 6 })).tokens);
  });
});

describe("a prompt is refused", () => {
  it("when it is empty", async () => {
    using engine = await load();
    await expect(runGeneration(engine, [])).rejects.toMatchObject({ code: "PROMPT_EMPTY" });
  });

  it("when it leaves no room for an answer, with both lengths in the message", async () => {
    using engine = await load({ contextLength: 40 });
    const refused = runGeneration(engine, text.slice(0, 40));
    await expect(refused).rejects.toMatchObject({
      code: "CONTEXT_LENGTH_EXCEEDED",
      details: { promptTokens: 40, contextLength: 40 },
    });
    expect((await runGeneration(engine, text.slice(0, 39))).tokens).toHaveLength(1);
  });
});

const reason = remoeError("REQUEST_CANCELLED", {});
const GENERATION = { replayTokens: [], sampling: GREEDY, stopTokens: [], topLogprobs: null, traceTokens: 0 };

describe("aborting", () => {
  /** Aborts when `tokens` of them have come. */
  async function abortAfter(engine: Engine, tokens: number): Promise<number[]> {
    const controller = new AbortController();
    const request = { ...GENERATION, promptTokens: other, maxTokens: 50 };
    const seen: number[] = [];
    const consume = async () => {
      for await (const event of engine.generate(request, controller)) {
        if (event.type === "token") seen.push(event.token);
        if (seen.length === tokens) controller.abort(reason);
      }
    };
    await expect(consume()).rejects.toBe(reason);
    return seen;
  }

  it("between tokens rejects with the signal's reason, and no token comes after it", async () => {
    using engine = await load();
    expect(await abortAfter(engine, 3)).toHaveLength(3);
  });

  it.each(["default", "exact"] as const)(
    "between prefill batches stops the prefill (%s numerics)",
    async (numerics) => {
      using engine = await load({ numerics, threads: 1 });
      const signal = abortedAtCheck(2, reason);
      await expect(runGeneration(engine, text.slice(0, 1000), { signal })).rejects.toBe(reason);
      expect(signal.checks).toBe(2);
    },
  );

  it("leaves nothing behind: the next request is that of a fresh engine", async () => {
    using fresh = await load();
    using used = await load();
    const expected = await runGeneration(fresh, prompt, { maxTokens: 30 });
    await abortAfter(used, 5);
    const afterAbort = await runGeneration(used, prompt, { maxTokens: 30 });
    await expect(runGeneration(used, text.slice(0, 1000), { signal: abortedAtCheck(2, reason) })).rejects.toBe(reason);
    const afterHalfAPrefill = await runGeneration(used, prompt, { maxTokens: 30 });
    expect(bitsOf(afterAbort.logits)).toBe(bitsOf(expected.logits));
    expect(bitsOf(afterHalfAPrefill.logits)).toBe(bitsOf(expected.logits));
  });
});

describe("a generation asked to finish", () => {
  const sums = (counts: ActivationCounts): number => counts.flat().reduce((a, b) => a + b);

  /** Asks when `after` tokens have come. */
  async function finishAfter(engine: Engine, after: number): Promise<GenerationEvent[]> {
    const control = { signal: new AbortController().signal, finish: new AbortController() };
    const events: GenerationEvent[] = [];
    if (after === 0) control.finish.abort();
    const request = { ...GENERATION, promptTokens: other, maxTokens: 50 };
    for await (const event of engine.generate(request, { ...control, finish: control.finish.signal })) {
      events.push(event);
      if (events.length === after) control.finish.abort();
    }
    return events;
  }

  it.each([1, 3])("ends at the next token, after %i, with everything counted so far", async (after) => {
    using engine = await load();
    const { layers, expertsPerToken: k } = engine.hyper;
    const events = await finishAfter(engine, after);
    const done = events.pop();
    expect(events.map(({ type }) => type)).toEqual(Array(after).fill("token"));
    expect(done).toMatchObject({ type: "done", finishReason: "cancelled", completionTokens: after });
    expect(done?.type === "done" && sums(done.activations.decode)).toBe((after - 1) * layers * k);
  });

  it("before it begins computes nothing", async () => {
    using engine = await load();
    const [done, ...more] = await finishAfter(engine, 0);
    expect(done).toMatchObject({ finishReason: "cancelled", completionTokens: 0, experts: { localRows: 0 } });
    expect(more).toEqual([]);
  });

  it("between prefill batches ends there and counts the batch that is done", async () => {
    using engine = await load();
    const finish = new AbortController();
    let seen = 0;
    // Before the first batch, and before the second.
    const asked = Object.defineProperty(finish.signal, "aborted", { get: () => ++seen > 1 });
    const { tokens, done } = await runGeneration(engine, text.slice(0, 1000), { finish: asked });
    const { layers, expertsPerToken: k } = engine.hyper;
    expect(tokens).toEqual([]);
    expect(done).toMatchObject({ finishReason: "cancelled", completionTokens: 0 });
    expect(sums(done.activations.prefill)).toBe(512 * (layers - 1) * k);
  });

  it("leaves nothing behind: the next request is that of a fresh engine", async () => {
    using fresh = await load();
    using used = await load();
    await finishAfter(used, 5);
    const expected = await runGeneration(fresh, prompt);
    expect(bitsOf((await runGeneration(used, prompt)).logits)).toBe(bitsOf(expected.logits));
  });

  it("and aborted is aborted", async () => {
    using engine = await load();
    const options = { finish: AbortSignal.abort(), signal: AbortSignal.abort(reason) };
    await expect(runGeneration(engine, prompt, options)).rejects.toBe(reason);
  });
});

/** A signal that is found aborted when it is looked at for the n-th time: no clock decides where. */
function abortedAtCheck(n: number, reason: Error): AbortSignal & { readonly checks: number } {
  const { signal } = new AbortController();
  let checks = 0;
  return Object.defineProperties(signal, {
    checks: { get: () => checks },
    throwIfAborted: {
      value: () => {
        checks++;
        if (checks >= n) throw reason;
      },
    },
  }) as AbortSignal & { readonly checks: number };
}

it("longer and other requests before it do not change a request", async () => {
  using fresh = await load();
  using used = await load();
  await runGeneration(used, text.slice(0, 900), { maxTokens: 20 });
  await runGeneration(used, other, { maxTokens: 40 });
  const expected = await runGeneration(fresh, prompt, { maxTokens: 20 });
  const repeated = await runGeneration(used, prompt, { maxTokens: 20 });
  expect(bitsOf(repeated.logits)).toBe(bitsOf(expected.logits));
  expect(repeated.done.activations).toEqual(expected.done.activations);
});

it("a prompt gives the logits it would have given as an answer, within rounding", async () => {
  using engine = await load();
  const generated = await runGeneration(engine, prompt, { maxTokens: 30 });
  const { tokens } = await runGeneration(engine, [...prompt, ...generated.tokens.slice(0, 20)], { maxTokens: 10 });
  expect(tokens).toEqual(generated.tokens.slice(20));
});

describe("sampling", () => {
  const sampling = { ...GREEDY, temperature: 1.5, seed: 7 };

  it("repeats with the same seed and differs with another", async () => {
    using engine = await load();
    const first = await runGeneration(engine, prompt, { maxTokens: 30, sampling });
    const again = await runGeneration(engine, prompt, { maxTokens: 30, sampling });
    const another = await runGeneration(engine, prompt, { maxTokens: 30, sampling: { ...sampling, seed: 8 } });
    expect(again.tokens).toEqual(first.tokens);
    expect(another.tokens).not.toEqual(first.tokens);
  });
});

describe("log probabilities", () => {
  it("are those of the logits, best first, and sum to no more than one", async () => {
    using engine = await load();
    const { events, logits } = await runGeneration(engine, prompt, { maxTokens: 12, topLogprobs: 20 });
    for (const [step, { token, logprob, top }] of events.entries()) {
      expect({ logprob, top }).toEqual(logprobs(logits[step] as Float32Array, token, 20));
      expect(top).toHaveLength(20);
      expect(top[0]).toEqual({ token, logprob });
      expect(top.reduce((sum, alternative) => sum + Math.exp(alternative.logprob), 0)).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  it("are left out when nobody asked", async () => {
    using engine = await load();
    const { events } = await runGeneration(engine, prompt, { maxTokens: 2 });
    expect(events.every(({ logprob, top }) => logprob === null && top.length === 0)).toBe(true);
  });
});

describe("the activation trace", () => {
  const sums = (counts: ActivationCounts): number[] => counts.map((layer) => layer.reduce((a, b) => a + b));

  it.each([5, 64, 512, 600])("counts k experts a token and layer, for a prompt of %i tokens", async (length) => {
    using engine = await load();
    const { layers, experts, expertsPerToken: k } = engine.hyper;
    const { done } = await runGeneration(engine, text.slice(0, length), { maxTokens: 10 });
    const { prefill, decode } = done.activations;
    // After the last attention only the prompt's last token goes on; the tenth token is chosen and not computed.
    expect(sums(prefill)).toEqual([...Array<number>(layers - 1).fill(length * k), k]);
    expect(sums(decode)).toEqual(Array(layers).fill(9 * k));
    expect([...prefill, ...decode].every((layer) => layer.length === experts)).toBe(true);
    expect(done.experts).toEqual({
      localRows: [...sums(prefill), ...sums(decode)].reduce((a, b) => a + b),
      remoteRows: 0,
      remoteCalls: 0,
    });
  });

  it("is the same in exact numerics, which round differently but choose alike here", async () => {
    using engine = await load();
    using exact = await load({ numerics: "exact", threads: 1 });
    const { done } = await runGeneration(engine, prompt);
    expect((await runGeneration(exact, prompt)).done.activations).toEqual(done.activations);
  });
});

describe("an engine", () => {
  it("times prefill, decode and what it was busy with by the clock it is given", async () => {
    let now = 0;
    using engine = await load({ clock: () => (now += 100) });
    const { prefillMs, decodeMs, busyMs } = (await runGeneration(engine, prompt)).done.timings;
    expect([prefillMs, decodeMs, busyMs].map((ms) => ms % 100)).toEqual([0, 0, 0]);
    expect(Math.min(prefillMs, decodeMs)).toBeGreaterThan(0);
    // Alone it has all of the time from its first to its last moment.
    expect(busyMs).toBeGreaterThanOrEqual(prefillMs + decodeMs);
    expect(busyMs).toBeLessThanOrEqual(now);
  });

  it("refuses exact numerics when an expert is elsewhere", async () => {
    const { layers, experts } = { layers: 6, experts: 16 };
    const all = Array.from({ length: experts }, (_, expert) => expert);
    const selection = Array.from({ length: layers }, (_, layer) => (layer === 3 ? all.slice(1) : all));
    await expect(load({ numerics: "exact", experts: selection })).rejects.toMatchObject({
      code: "NUMERICS_NEED_ALL_EXPERTS",
    });
  });

  it("says which layer needs a remote expert when nobody computes it", async () => {
    using engine = await load({ experts: Array.from({ length: 6 }, () => []) });
    await expect(runGeneration(engine, prompt)).rejects.toThrow(
      "layer 0 routed to an expert that is not in this function",
    );
  });

  it("has its weights in memory once: as many bytes as the file's tensors, and little more for alignment", async () => {
    using engine = await load();
    const stored = [...file.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    expect(engine.weightBytes).toBeGreaterThanOrEqual(stored);
    expect(engine.weightBytes).toBeLessThan(stored * 1.3);
  });
});

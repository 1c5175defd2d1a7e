import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { remoeError } from "../core/errors.ts";
import { GREEDY } from "../model/sampling.ts";
import type { Expectation } from "./learning.ts";
import {
  type CompletionRequest,
  createPipeline,
  type Pipeline,
  type PipelineEvent,
  type PipelineOptions,
} from "./pipeline.ts";
import { fixedPlan } from "./plan-choice.ts";
import { BOS, bytesOf, byteTokenizer, END_OF_TURN } from "./testing/byte-tokenizer.ts";
import { testModel, testPlan, testPriceBook } from "./testing/create-test-gateway.ts";
import { createGate } from "./testing/gate.ts";
import {
  COLD_START,
  createScriptedFunctions,
  type Script,
  type ScriptedFunctions,
} from "./testing/scripted-functions.ts";
import { waitUntil } from "./testing/wait-until.ts";
import type { RequestTrace } from "./trace.ts";
import { unlessAborted } from "./unless-aborted.ts";

const never = new AbortController().signal;

function completionOf(text: string, more: Partial<CompletionRequest> = {}): CompletionRequest {
  return {
    requestId: "request-1",
    prompt: { type: "text", text },
    maxTokens: null,
    stop: [],
    sampling: GREEDY,
    topLogprobs: null,
    ...more,
  };
}

/** Part of a trace whose functions ended by themselves. */
const COUNTED = {
  experts: { remoteCalls: 1 },
  bill: { items: [{ billedMs: 50 }, { billedMs: 1000 }, { billedMs: 10 }] },
};

/** Gives some tokens and then none for ever. */
function heldFrom(position: number): (at: number) => Promise<void> {
  return (at) => (at < position ? Promise.resolve() : new Promise(() => {}));
}

interface TestPipeline {
  readonly functions: ScriptedFunctions;
  readonly pipeline: Pipeline;
}

function createTestPipeline(script: Partial<Script> = {}, options: Partial<PipelineOptions> = {}): TestPipeline {
  const functions = createScriptedFunctions({ answer: "Hello, world", ...script });
  const pipeline = createPipeline({
    model: testModel,
    chooser: fixedPlan(testPlan),
    priceBook: testPriceBook,
    acquire: () => functions.acquire(),
    clock: () => performance.now(),
    ...options,
  });
  return { functions, pipeline };
}

interface Outcome {
  readonly events: readonly PipelineEvent[];
  readonly text: string;
  readonly tokens: readonly number[];
  readonly traces: readonly RequestTrace[];
  readonly error: unknown;
}

async function run(pipeline: Pipeline, request: CompletionRequest, signal = never): Promise<Outcome> {
  const events: PipelineEvent[] = [];
  const traces: RequestTrace[] = [];
  let error: unknown = null;
  try {
    for await (const event of pipeline.complete(request, signal, (trace) => traces.push(trace))) {
      events.push(event);
    }
  } catch (thrown) {
    error = thrown;
  }
  const deltas = events.filter((event) => event.type === "delta");
  return {
    events,
    text: deltas.map(({ text }) => text).join(""),
    tokens: deltas.flatMap((delta) => delta.tokens.map(({ token }) => token)),
    traces,
    error,
  };
}

describe("prompts", () => {
  it("begin with BOS and keep the names of special tokens as text", async () => {
    const { functions, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("a<end>"));
    expect(functions.requests[0]?.promptTokens).toEqual([BOS, ...bytesOf("a<end>")]);
  });

  it("of a conversation go through the template, whose special tokens count", async () => {
    const { functions, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("", { prompt: { type: "chat", messages: [{ role: "user", content: "hi" }] } }));
    expect(functions.requests[0]?.promptTokens).toEqual([
      ...bytesOf("user: hi"),
      END_OF_TURN,
      ...bytesOf("assistant:"),
    ]);
  });

  it("may be tokens already", async () => {
    const { functions, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("", { prompt: { type: "tokens", tokens: [BOS, 65, 66] } }));
    expect(functions.requests[0]?.promptTokens).toEqual([BOS, 65, 66]);
  });

  it.each([
    ["no tokens", completionOf("", { prompt: { type: "tokens", tokens: [] } }), "PROMPT_EMPTY"],
    ["a token that does not exist", completionOf("", { prompt: { type: "tokens", tokens: [258] } }), "REQUEST_INVALID"],
    ["no room for an answer", completionOf("x".repeat(199)), "CONTEXT_LENGTH_EXCEEDED"],
    ["sampling out of range", completionOf("a", { sampling: { ...GREEDY, topP: 2 } }), "SAMPLING_INVALID"],
  ])("with %s are refused before anything starts", async (_name, request, code) => {
    const { functions, pipeline } = createTestPipeline();
    const { error, events, traces } = await run(pipeline, request);
    expect(error).toMatchObject({ code });
    expect(events).toEqual([]);
    expect(functions.requests).toEqual([]);
    expect(traces).toMatchObject([{ finishReason: "error", errorCode: code }]);
  });

  it("of a conversation need a model with a template", async () => {
    const { pipeline } = createTestPipeline({}, { model: { ...testModel, template: null } });
    const { error } = await run(pipeline, completionOf("", { prompt: { type: "chat", messages: [] } }));
    expect(error).toMatchObject({ code: "CHAT_TEMPLATE_MISSING" });
  });
});

describe("answers", () => {
  it("come as accepted, deltas and one end that carries the trace", async () => {
    const { pipeline } = createTestPipeline();
    const { events, text, traces } = await run(pipeline, completionOf("hi"));
    expect(text).toBe("Hello, world");
    expect(events[0]).toEqual({ type: "accepted", promptTokens: 3 });
    expect(events.at(-1)).toEqual({ type: "end", finishReason: "stop", trace: traces[0] });
    expect(traces).toMatchObject([
      {
        requestId: "request-1",
        model: "org/tiny",
        promptTokens: 3,
        completionTokens: 12,
        finishReason: "stop",
        experts: { localRows: 24, remoteRows: 12, remoteCalls: 1 },
      },
    ]);
  });

  it("fill what is left of the context at most", async () => {
    const { functions, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("123456789"));
    await run(pipeline, completionOf("123456789", { maxTokens: 5 }));
    await run(pipeline, completionOf("123456789", { maxTokens: 5_000 }));
    expect(functions.requests.map(({ maxTokens }) => maxTokens)).toEqual([190, 5, 190]);
  });

  it("end with the reason of the main function", async () => {
    const { pipeline } = createTestPipeline();
    const { events } = await run(pipeline, completionOf("hi", { maxTokens: 5 }));
    expect(events.at(-1)).toMatchObject({ finishReason: "length" });
  });

  it("end before a stop string, with what the functions counted until then", async () => {
    const { functions, pipeline } = createTestPipeline();
    const { events, text, tokens, traces } = await run(pipeline, completionOf("hi", { stop: [", w"] }));
    expect(text).toBe("Hello");
    expect(tokens).toEqual(bytesOf("Hello, w"));
    expect(events.at(-1)).toEqual({ type: "end", finishReason: "stop", trace: traces[0] });
    expect(traces).toMatchObject([{ finishReason: "stop", completionTokens: 8, ...COUNTED }]);
    await functions.finished;
    expect(functions).toMatchObject({ running: 0, releases: [1] });
  });

  it("carry their bill, cold start included, and release the functions once", async () => {
    const { functions, pipeline } = createTestPipeline();
    const { traces } = await run(pipeline, completionOf("hi"));
    const items = traces[0]?.bill.items.map((item) => [item.function, item.phase, item.billedMs]);
    expect(items).toEqual([
      ["main", "busy", 50],
      ["main", "cold-start", 1000],
      ["experts-0", "busy", 10],
    ]);
    expect(functions.releases).toEqual([1]);
  });

  it("give whole characters only, and every token in exactly one delta", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme", maxLength: 20 }),
        fc.array(fc.string({ minLength: 1, maxLength: 2 }), { maxLength: 2 }),
        async (answer, stop) => {
          const { pipeline } = createTestPipeline({ answer });
          const { text, tokens, traces } = await run(pipeline, completionOf("hi", { stop }));
          const starts = stop.map((candidate) => answer.indexOf(candidate)).filter((start) => start >= 0);
          expect(text).toBe(answer.slice(0, Math.min(answer.length, ...starts)));
          expect(tokens).toEqual(bytesOf(answer).slice(0, tokens.length));
          expect(tokens).toHaveLength(traces[0]?.completionTokens ?? -1);
        },
      ),
      { seed: 3, numRuns: 100 },
    );
  });

  it("report the cold start to the first request that used the function, and to no other", async () => {
    const { pipeline } = createTestPipeline();
    const first = await run(pipeline, completionOf("hi"));
    const second = await run(pipeline, completionOf("hi"));
    expect(first.traces[0]?.coldStart).toEqual(COLD_START);
    expect(second.traces[0]?.coldStart).toBeNull();
  });
});

describe("a start that a request may need", () => {
  const expectation: Expectation = {
    requestId: "request-1",
    tokens: [],
    vector: new Float32Array(),
    forecast: { source: "none", matrix: new Float32Array() },
    similar: [],
    group: null,
  };
  const STEPS = ["predict", "plan", "acquire"] as const;

  /** A pipeline that notes the order of things. One step may do something else instead. */
  function createNoted(instead: Partial<Record<(typeof STEPS)[number], () => Promise<never>>> = {}) {
    const notes: string[] = [];
    const scripted = createScriptedFunctions({ answer: "ok" });
    const note = async <T>(step: (typeof STEPS)[number], result: () => T | Promise<T>): Promise<T> => {
      notes.push(step);
      return await (instead[step] ?? result)();
    };
    const { pipeline } = createTestPipeline(
      {},
      {
        expectStart() {
          notes.push("expect a start");
          return () => notes.push("expect none");
        },
        learning: {
          traceTokens: 0,
          expect: () => note("predict", () => expectation),
          learn: () => ({ source: "none", divergence: 0 }),
        },
        chooser: { choose: () => note("plan", () => ({ plan: testPlan, reasons: null })), observe() {} },
        acquire: () => note("acquire", () => scripted.acquire()),
      },
    );
    return { notes, pipeline };
  }

  it("is expected before anything is predicted, until the functions are there", async () => {
    const { notes, pipeline } = createNoted();
    expect(await run(pipeline, completionOf("hi"))).toMatchObject({ text: "ok", error: null });
    expect(notes).toEqual(["expect a start", "predict", "plan", "acquire", "expect none"]);
  });

  it.each(STEPS)("is not expected any more by a request that fails to %s", async (step) => {
    const failure = remoeError("FUNCTION_LOST", { role: "main", reason: "it was killed" });
    const { notes, pipeline } = createNoted({ [step]: () => Promise.reject(failure) });
    expect(await run(pipeline, completionOf("hi"))).toMatchObject({ error: failure });
    expect(notes).toEqual(["expect a start", ...STEPS.slice(0, STEPS.indexOf(step) + 1), "expect none"]);
  });

  it("is not expected any more by a request whose client left", async () => {
    const client = new AbortController();
    const { notes, pipeline } = createNoted({
      acquire: () => {
        client.abort();
        return unlessAborted(new Promise<never>(() => {}), client.signal);
      },
    });
    expect(await run(pipeline, completionOf("hi"), client.signal)).toMatchObject({
      traces: [{ finishReason: "cancelled" }],
    });
    expect(notes.at(-1)).toBe("expect none");
  });

  it("is not expected by a request that is refused or waits for its turn", async () => {
    const { notes, pipeline } = createNoted();
    await run(pipeline, completionOf("x".repeat(199)));
    const place = pipeline.admission.enter(never);
    const queued = run(pipeline, completionOf("hi"));
    await waitUntil(() => pipeline.admission.waiting === 1);
    expect(notes).toEqual([]);
    place.leave();
    await queued;
  });
});

describe("requests that do not complete", () => {
  it("fail with the main function's error", async () => {
    const failure = remoeError("FUNCTION_LOST", { role: "main", reason: "it was killed" });
    const { pipeline } = createTestPipeline({ failure });
    const { error, traces } = await run(pipeline, completionOf("hi"));
    expect(error).toBe(failure);
    expect(traces).toMatchObject([{ finishReason: "error", errorCode: "FUNCTION_LOST", completionTokens: 12 }]);
    expect(pipeline.admission.running).toBe(0);
  });

  it("fail when a function does not start, and leave their place", async () => {
    const failure = remoeError("FUNCTION_START_FAILED", { role: "main", reason: "no memory" });
    const { pipeline } = createTestPipeline({}, { acquire: () => Promise.reject(failure) });
    const { error, events } = await run(pipeline, completionOf("hi"));
    expect(error).toBe(failure);
    expect(events).toHaveLength(1);
    expect(pipeline.admission.running).toBe(0);
  });

  it("fail when the main function's answer ends without a result", async () => {
    const scripted = createScriptedFunctions({ answer: "" });
    const acquire = async () => ({ ...(await scripted.acquire()), async *generate() {} });
    const { pipeline } = createTestPipeline({}, { acquire });
    expect(await run(pipeline, completionOf("hi"))).toMatchObject({ error: { code: "FUNCTION_LOST" } });
    expect(scripted.releases).toEqual([1]);
  });

  it("are cancelled while they wait for their turn", async () => {
    const gate = createGate();
    const { functions, pipeline } = createTestPipeline({ beforeToken: () => gate.opened });
    const client = new AbortController();
    const first = run(pipeline, completionOf("hi"));
    const second = run(pipeline, completionOf("hi"), client.signal);
    await waitUntil(() => pipeline.admission.waiting === 1);
    client.abort();
    expect(await second).toMatchObject({
      error: { code: "REQUEST_CANCELLED" },
      traces: [{ finishReason: "cancelled" }],
    });
    gate.open();
    expect(await first).toMatchObject({ text: "Hello, world", error: null });
    expect(functions.requests).toHaveLength(1);
  });

  it("are cancelled while the functions start", async () => {
    const { functions, pipeline } = createTestPipeline(
      {},
      { acquire: (_plan, signal) => unlessAborted(new Promise(() => {}), signal) },
    );
    const client = new AbortController();
    const gone = run(pipeline, completionOf("hi"), client.signal);
    await waitUntil(() => pipeline.admission.running === 1);
    client.abort();
    expect(await gone).toMatchObject({ error: { code: "REQUEST_CANCELLED" }, traces: [{ finishReason: "cancelled" }] });
    expect(functions.requests).toEqual([]);
    expect(pipeline.admission.running).toBe(0);
  });

  it("give functions back that came when the client had just left", async () => {
    const scripted = createScriptedFunctions({ answer: "ok" });
    const client = new AbortController();
    const acquire = async () => {
      client.abort();
      return await scripted.acquire();
    };
    const { pipeline } = createTestPipeline({}, { acquire });
    expect(await run(pipeline, completionOf("hi"), client.signal)).toMatchObject({
      error: { code: "REQUEST_CANCELLED" },
      traces: [{ finishReason: "cancelled", bill: { items: [{ phase: "cold-start", billedMs: 1000 }] } }],
    });
    expect(scripted).toMatchObject({ requests: [], releases: [1] });
  });

  it("are cancelled while they generate, with the signal's own reason if it is an error of the catalogue", async () => {
    const { functions, pipeline } = createTestPipeline({ beforeToken: heldFrom(3) });
    const server = new AbortController();
    const reason = remoeError("SHUTTING_DOWN", { retryAfterS: 1 });
    const cut = run(pipeline, completionOf("hi"), server.signal);
    await waitUntil(() => functions.running === 1);
    server.abort(reason);
    const { error, traces } = await cut;
    expect(error).toBe(reason);
    expect(traces).toMatchObject([{ finishReason: "cancelled", errorCode: null, ...COUNTED }]);
    await functions.finished;
    expect(functions.releases).toEqual([1]);
    expect(pipeline.admission.running).toBe(0);
  });

  it("end with what the functions counted when the consumer leaves", async () => {
    const { functions, pipeline } = createTestPipeline();
    const traces: RequestTrace[] = [];
    for await (const event of pipeline.complete(completionOf("hi"), never, (trace) => traces.push(trace))) {
      if (event.type === "delta") {
        break;
      }
    }
    await functions.finished;
    expect(traces).toMatchObject([{ finishReason: "cancelled", completionTokens: 1, ...COUNTED }]);
    expect(functions.releases).toEqual([1]);
    expect(pipeline.admission.running).toBe(0);
  });

  it.each(["the client leaves", "a stop string comes"])("are cut off if the functions go on when %s", async (why) => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const { functions, pipeline } = createTestPipeline({ beforeToken: heldFrom(3), deaf: true });
    const client = new AbortController();
    const stop = why === "a stop string comes" ? ["l"] : [];
    const cut = run(pipeline, completionOf("hi", { stop }), client.signal);
    await waitUntil(() => functions.running === 1);
    if (stop.length === 0) client.abort();
    await waitUntil(() => vi.getTimerCount() > 0);
    vi.advanceTimersByTime(999);
    expect(functions.running).toBe(1);
    vi.advanceTimersByTime(1);
    await functions.aborted;
    const { traces } = await cut;
    expect(traces).toMatchObject([{ finishReason: stop.length === 0 ? "cancelled" : "stop", experts: null }]);
    expect(functions.releases).toEqual([1]);
  });

  it("may be given up right after they were queued", async () => {
    const { pipeline } = createTestPipeline();
    const events = pipeline.complete(completionOf("hi"), never);
    await events.next();
    const queued = pipeline.complete(completionOf("hi"), never);
    await queued.next();
    await queued.return();
    await events.return();
    expect([pipeline.admission.running, pipeline.admission.waiting]).toEqual([0, 0]);
  });
});

it("the test vocabulary is what its name says", () => {
  expect(byteTokenizer.encode("<s>é", { addSpecial: false, parseSpecial: true })).toEqual([BOS, 0xc3, 0xa9]);
});

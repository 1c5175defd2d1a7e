import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import { GREEDY } from "../model/sampling.ts";
import { type CompletionRequest, createPipeline, type Pipeline, type PipelineEvent } from "./pipeline.ts";
import { BOS, bytesOf, byteTokenizer, END_OF_TURN } from "./testing/byte-tokenizer.ts";
import { testModel } from "./testing/create-test-gateway.ts";
import { createGate } from "./testing/gate.ts";
import { createScriptedMainFunction, type Script } from "./testing/scripted-main-function.ts";
import { waitUntil } from "./testing/wait-until.ts";
import type { RequestTrace } from "./trace.ts";

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

function createTestPipeline(script: Partial<Script> = {}) {
  const main = createScriptedMainFunction({ answer: "Hello, world", ...script });
  const pipeline = createPipeline({ model: testModel, main: async () => main, clock: () => performance.now() });
  return { main, pipeline };
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
    const { main, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("a<end>"));
    expect(main.requests[0]?.promptTokens).toEqual([BOS, ...bytesOf("a<end>")]);
  });

  it("of a conversation go through the template, whose special tokens count", async () => {
    const { main, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("", { prompt: { type: "chat", messages: [{ role: "user", content: "hi" }] } }));
    expect(main.requests[0]?.promptTokens).toEqual([...bytesOf("user: hi"), END_OF_TURN, ...bytesOf("assistant:")]);
  });

  it("may be tokens already", async () => {
    const { main, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("", { prompt: { type: "tokens", tokens: [BOS, 65, 66] } }));
    expect(main.requests[0]?.promptTokens).toEqual([BOS, 65, 66]);
  });

  it.each([
    ["no tokens", completionOf("", { prompt: { type: "tokens", tokens: [] } }), "PROMPT_EMPTY"],
    ["a token that does not exist", completionOf("", { prompt: { type: "tokens", tokens: [258] } }), "REQUEST_INVALID"],
    ["no room for an answer", completionOf("x".repeat(199)), "CONTEXT_LENGTH_EXCEEDED"],
    ["sampling out of range", completionOf("a", { sampling: { ...GREEDY, topP: 2 } }), "SAMPLING_INVALID"],
  ])("with %s are refused before anything starts", async (_name, request, code) => {
    const { main, pipeline } = createTestPipeline();
    const { error, events, traces } = await run(pipeline, request);
    expect(error).toMatchObject({ code });
    expect(events).toEqual([]);
    expect(main.requests).toEqual([]);
    expect(traces).toMatchObject([{ finishReason: "error", errorCode: code }]);
  });

  it("of a conversation need a model with a template", async () => {
    const main = createScriptedMainFunction({ answer: "" });
    const model = { ...testModel, template: null };
    const pipeline = createPipeline({ model, main: async () => main, clock: () => 0 });
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
    const { main, pipeline } = createTestPipeline();
    await run(pipeline, completionOf("123456789"));
    await run(pipeline, completionOf("123456789", { maxTokens: 5 }));
    await run(pipeline, completionOf("123456789", { maxTokens: 5_000 }));
    expect(main.requests.map(({ maxTokens }) => maxTokens)).toEqual([190, 5, 190]);
  });

  it("end with the reason of the main function", async () => {
    const { pipeline } = createTestPipeline();
    const { events } = await run(pipeline, completionOf("hi", { maxTokens: 5 }));
    expect(events.at(-1)).toMatchObject({ finishReason: "length" });
  });

  it("end before a stop string and stop the main function", async () => {
    const { main, pipeline } = createTestPipeline();
    const { events, text, tokens } = await run(pipeline, completionOf("hi", { stop: [", w"] }));
    expect(text).toBe("Hello");
    expect(tokens).toEqual(bytesOf("Hello, w"));
    expect(events.at(-1)).toMatchObject({ finishReason: "stop", trace: { completionTokens: 8, experts: null } });
    await main.aborted;
    expect(main.running).toBe(0);
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
    const { main, pipeline } = createTestPipeline();
    const first = await run(pipeline, completionOf("hi"));
    const second = await run(pipeline, completionOf("hi"));
    expect(first.traces[0]?.coldStart).toEqual(main.coldStart);
    expect(second.traces[0]?.coldStart).toBeNull();
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

  it("fail when the main function does not start, and leave their place", async () => {
    const failure = remoeError("FUNCTION_START_FAILED", { role: "main", reason: "no memory" });
    const pipeline = createPipeline({ model: testModel, main: () => Promise.reject(failure), clock: () => 0 });
    const { error, events } = await run(pipeline, completionOf("hi"));
    expect(error).toBe(failure);
    expect(events).toHaveLength(1);
    expect(pipeline.admission.running).toBe(0);
  });

  it("fail when the main function's answer ends without a result", async () => {
    const main = { ...createScriptedMainFunction({ answer: "" }), async *generate() {} };
    const pipeline = createPipeline({ model: testModel, main: async () => main, clock: () => 0 });
    expect(await run(pipeline, completionOf("hi"))).toMatchObject({ error: { code: "FUNCTION_LOST" } });
  });

  it("are cancelled while they wait for their turn", async () => {
    const gate = createGate();
    const { main, pipeline } = createTestPipeline({ beforeToken: () => gate.opened });
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
    expect(main.requests).toHaveLength(1);
  });

  it("are cancelled while the main function starts, which goes on for others", async () => {
    const main = createScriptedMainFunction({ answer: "ok" });
    const gate = createGate();
    const started = gate.opened.then(() => main);
    const pipeline = createPipeline({ model: testModel, main: () => started, clock: () => 0 });
    const client = new AbortController();
    const gone = run(pipeline, completionOf("hi"), client.signal);
    await waitUntil(() => pipeline.admission.running === 1);
    client.abort();
    expect(await gone).toMatchObject({ error: { code: "REQUEST_CANCELLED" }, traces: [{ finishReason: "cancelled" }] });
    gate.open();
    expect(await run(pipeline, completionOf("hi"))).toMatchObject({ text: "ok" });
  });

  it("are cancelled while they generate, with the signal's own reason if it is an error of the catalogue", async () => {
    const gate = createGate();
    const { main, pipeline } = createTestPipeline({
      beforeToken: (position) => (position < 3 ? Promise.resolve() : gate.opened),
    });
    const server = new AbortController();
    const reason = remoeError("SHUTTING_DOWN", { retryAfterS: 1 });
    const cut = run(pipeline, completionOf("hi"), server.signal);
    await waitUntil(() => main.running === 1);
    server.abort(reason);
    expect(await cut).toMatchObject({ error: reason, traces: [{ finishReason: "cancelled", errorCode: null }] });
    await main.aborted;
    expect(pipeline.admission.running).toBe(0);
  });

  it("stop the main function and end their trace when the consumer leaves", async () => {
    const { main, pipeline } = createTestPipeline();
    const traces: RequestTrace[] = [];
    for await (const event of pipeline.complete(completionOf("hi"), never, (trace) => traces.push(trace))) {
      if (event.type === "delta") {
        break;
      }
    }
    await main.aborted;
    expect(traces).toMatchObject([{ finishReason: "cancelled", completionTokens: 1 }]);
    expect(pipeline.admission.running).toBe(0);
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

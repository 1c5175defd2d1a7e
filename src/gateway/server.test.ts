import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import { createPlatform } from "../platform/instance-pool.ts";
import { createScriptedLauncher } from "../platform/testing/scripted-launcher.ts";
import { createLogger } from "./log.ts";
import { BOS, bytesOf, END_OF_TURN } from "./testing/byte-tokenizer.ts";
import { createTestGateway, type TestGatewayOptions, testMain } from "./testing/create-test-gateway.ts";
import { createGate } from "./testing/gate.ts";
import { waitUntil } from "./testing/wait-until.ts";

const hello = { model: "org/tiny", messages: [{ role: "user", content: "hi" }] };
const CHAT = "/v1/chat/completions";
const COMPLETIONS = "/v1/completions";

/** A gateway without sockets: requests go straight into its server. */
function createClient(options: TestGatewayOptions = {}) {
  const { gateway, functions, pipeline } = createTestGateway(options);
  const { server } = gateway;
  return {
    functions,
    pipeline,
    get: (url: string, headers: Record<string, string> = {}) => server.inject({ method: "GET", url, headers }),
    post: (url: string, payload: object, headers: Record<string, string> = {}) =>
      server.inject({ method: "POST", url, payload, headers }),
    send: server.inject.bind(server),
  };
}

/** What a gateway's first request costs: the scripted functions are cold, then busy. */
const testBill = {
  currency: "USD",
  priceBook: "aws-lambda-x86",
  total: expect.closeTo(0.000018, 6),
  gbSeconds: expect.closeTo(1.055),
  vcpuSeconds: expect.closeTo(1.055),
  gpuGbSeconds: 0,
  items: [
    expect.objectContaining({ function: "main", phase: "busy", requests: 1, billedMs: 50 }),
    expect.objectContaining({ function: "main", phase: "cold-start", requests: 0, billedMs: 1000 }),
    expect.objectContaining({ function: "experts-0", phase: "busy", requests: 1, billedMs: 10 }),
  ],
};

/** The data of a stream's events; `[DONE]` stays text. */
function eventsOf(body: string): unknown[] {
  return body
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length))
    .map((data) => (data === "[DONE]" ? data : JSON.parse(data)));
}

describe("chat completions", () => {
  it("answer with OpenAI's object and Remoe's extension", async () => {
    const { post } = createClient();
    const response = await post(CHAT, { ...hello, seed: 7 }, { "x-request-id": "trace-1" });
    expect(response.statusCode).toBe(200);
    expect(response.headers["x-request-id"]).toBe("trace-1");
    expect(response.json()).toEqual({
      id: "chatcmpl-trace-1",
      object: "chat.completion",
      created: expect.any(Number),
      model: "org/tiny",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello, world", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: { prompt_tokens: 19, completion_tokens: 12, total_tokens: 31 },
      x_remoe: {
        seed: 7,
        timings: {
          queueMs: expect.any(Number),
          predictMs: 0,
          planMs: 0,
          coldStartMs: expect.any(Number),
          prefillMs: 20,
          decodeMs: 30,
          ttftMs: expect.any(Number),
          tpotMs: expect.any(Number),
          totalMs: expect.any(Number),
        },
        experts: { localRows: 24, remoteRows: 12, remoteCalls: 1 },
        prediction: null,
        planning: null,
        faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0, mainRestarts: 0 },
        bill: testBill,
      },
    });
  });

  it("stream as OpenAI does: role, text, reason, end", async () => {
    const { post } = createClient({ script: { answer: "Hi" } });
    const response = await post(CHAT, { ...hello, stream: true, seed: 7 });
    expect(response.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    const chunk = (delta: object, finishReason: string | null = null) => ({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion.chunk",
      created: expect.any(Number),
      model: "org/tiny",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    });
    expect(eventsOf(response.body)).toEqual([
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "H" }),
      chunk({ content: "i" }),
      { ...chunk({}, "stop"), x_remoe: expect.objectContaining({ seed: 7, bill: testBill }) },
      "[DONE]",
    ]);
  });

  it("end a stream with the usage, if asked for", async () => {
    const { post } = createClient({ script: { answer: "Hi" } });
    const response = await post(CHAT, { ...hello, stream: true, stream_options: { include_usage: true } });
    const [role, first, second, closing, usage, done] = eventsOf(response.body);
    for (const chunk of [role, first, second, closing]) {
      expect(chunk).toMatchObject({ usage: null });
      expect(chunk).not.toHaveProperty("x_remoe");
    }
    expect(usage).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 19, completion_tokens: 2, total_tokens: 21 },
      x_remoe: { experts: { localRows: 4, remoteRows: 2, remoteCalls: 1 }, bill: testBill },
    });
    expect(done).toBe("[DONE]");
  });

  it("report log probabilities with text and bytes, also of halves of a character", async () => {
    const { post } = createClient({ script: { answer: "é" } });
    const response = await post(CHAT, { ...hello, logprobs: true, top_logprobs: 1 });
    expect(response.json().choices[0].logprobs).toEqual({
      content: [
        {
          token: "\ufffd",
          bytes: [0xc3],
          logprob: -0.5,
          top_logprobs: [{ token: "\ufffd", bytes: [0xc3], logprob: -0.5 }],
        },
        {
          token: "\ufffd",
          bytes: [0xa9],
          logprob: -0.5,
          top_logprobs: [{ token: "\ufffd", bytes: [0xa9], logprob: -0.5 }],
        },
      ],
      refusal: null,
    });
  });

  it("turn OpenAI's fields into the request of the main function", async () => {
    const { functions, post } = createClient();
    await post(CHAT, {
      ...hello,
      max_completion_tokens: 5,
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      top_k: -1,
      min_p: 0.1,
      repetition_penalty: 1.5,
      frequency_penalty: 1,
      presence_penalty: -1,
      logit_bias: { 65: 100 },
      seed: -3,
      logprobs: true,
      user: "ignored",
    });
    expect(functions.requests[0]).toMatchObject({
      maxTokens: 5,
      topLogprobs: 0,
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 0,
        minP: 0.1,
        repeatPenalty: 1.5,
        frequencyPenalty: 1,
        presencePenalty: -1,
        logitBias: { 65: 100 },
        seed: -3,
      },
    });
  });

  it("sample at temperature 1 with a random seed, which they report, unless told otherwise", async () => {
    const { functions, post } = createClient({ randomSeed: () => 42 });
    const response = await post(CHAT, { messages: hello.messages, temperature: null, stop: null });
    expect(functions.requests[0]?.sampling).toMatchObject({ temperature: 1, topP: 1, topK: 0, seed: 42 });
    expect(response.json().x_remoe.seed).toBe(42);
  });

  it("read content in parts, developer and tool messages", async () => {
    const { functions, post } = createClient();
    const call = { id: "c1", type: "function", function: { name: "add", arguments: "{}" } };
    await post(CHAT, {
      messages: [
        {
          role: "developer",
          content: [
            { type: "text", text: "Be" },
            { type: "text", text: " brief" },
          ],
        },
        { role: "assistant", content: null, tool_calls: [call], name: null },
        { role: "tool", content: "4", tool_call_id: "c1" },
      ],
    });
    const prompt = functions.requests[0]?.promptTokens.map((token) =>
      token === END_OF_TURN ? "|" : String.fromCharCode(token),
    );
    expect(prompt?.join("")).toBe("system: Be brief|assistant: |tool: 4|assistant:");
  });

  it("stop at a string", async () => {
    const { post } = createClient();
    expect((await post(CHAT, { ...hello, stop: ["", "zzz", ", w"] })).json().choices[0]).toMatchObject({
      message: { content: "Hello" },
      finish_reason: "stop",
    });
  });
});

describe("text completions", () => {
  it("answer with OpenAI's object", async () => {
    const { post } = createClient();
    const response = await post(COMPLETIONS, { prompt: "a", max_tokens: 5 });
    expect(response.json()).toMatchObject({
      id: expect.stringMatching(/^cmpl-/),
      object: "text_completion",
      choices: [{ index: 0, text: "Hello", logprobs: null, finish_reason: "length" }],
      usage: { prompt_tokens: 2, completion_tokens: 5, total_tokens: 7 },
    });
  });

  it.each([
    ["a text", "a<end>", [BOS, ...bytesOf("a<end>")]],
    ["a batch of one text", ["a"], [BOS, ...bytesOf("a")]],
    ["tokens", [65, 66], [65, 66]],
    ["a batch of one token array", [[65]], [65]],
  ])("take %s as prompt", async (_name, prompt, tokens) => {
    const { functions, post } = createClient();
    await post(COMPLETIONS, { prompt });
    expect(functions.requests[0]?.promptTokens).toEqual(tokens);
  });

  it("report log probabilities in OpenAI's older form, with the offsets of characters", async () => {
    const { post } = createClient({ script: { answer: "aéb" } });
    const response = await post(COMPLETIONS, { prompt: "a", logprobs: 2 });
    expect(response.json().choices[0].logprobs).toEqual({
      tokens: ["a", "bytes:\\xc3", "bytes:\\xa9", "b"],
      token_logprobs: [-0.5, -0.5, -0.5, -0.5],
      top_logprobs: [
        { a: -0.5, b: -1.5 },
        { "bytes:\\xc3": -0.5, "bytes:\\xc4": -1.5 },
        { "bytes:\\xa9": -0.5, "bytes:\\xaa": -1.5 },
        { b: -0.5, c: -1.5 },
      ],
      text_offset: [0, 1, 1, 2],
    });
  });

  it("stream chunks of text and keep counting offsets", async () => {
    const { post } = createClient({ script: { answer: "ab" } });
    const response = await post(COMPLETIONS, { prompt: "a", stream: true, logprobs: 0 });
    expect(eventsOf(response.body)).toMatchObject([
      { object: "text_completion", choices: [{ text: "a", logprobs: { text_offset: [0] }, finish_reason: null }] },
      { choices: [{ text: "b", logprobs: { text_offset: [1] }, finish_reason: null }] },
      { choices: [{ text: "", logprobs: null, finish_reason: "stop" }], x_remoe: { timings: {} } },
      "[DONE]",
    ]);
  });
});

describe("what cannot be honoured is refused with the name of the field", () => {
  it.each([
    ["n", { n: 2 }],
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["tool_choice", { tool_choice: "required" }],
    ["functions", { functions: [{ name: "f" }] }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["modalities", { modalities: ["text", "audio"] }],
    ["audio", { audio: { voice: "alloy" } }],
    ["messages", { messages: [] }],
    ["messages[0].role", { messages: [{ role: "wizard", content: "x" }] }],
    ["messages[1].content", { messages: [...hello.messages, { role: "user", content: 4 }] }],
    ["messages[0].content", { messages: [{ role: "user" }] }],
    ["temperature", { temperature: 2.1 }],
    ["temperature", { temperature: "hot" }],
    ["top_p", { top_p: -0.1 }],
    ["top_logprobs", { logprobs: true, top_logprobs: 21 }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["logprobs", { logprobs: 2 }],
    ["max_tokens", { max_tokens: 0 }],
    ["stop", { stop: Array.from({ length: 17 }, () => "x") }],
    ["logit_bias.x", { logit_bias: { x: 1 } }],
    ["seed", { seed: 1.5 }],
    ["stream_options.include_usage", { stream_options: { include_usage: "yes" } }],
  ])("%s of a chat completion", async (param, fields) => {
    const { functions, post } = createClient();
    const response = await post(CHAT, { ...hello, ...fields });
    expect(response.statusCode).toBe(400);
    expect(response.json().error).toMatchObject({ type: "invalid_request_error", param });
    expect(response.json().error.message).toContain(`'${param}'`);
    expect(functions.requests).toEqual([]);
  });

  it.each([
    ["best_of", { best_of: 2 }],
    ["echo", { echo: true }],
    ["suffix", { suffix: "end" }],
    ["logprobs", { logprobs: 6 }],
    ["prompt", { prompt: ["a", "b"] }],
    ["prompt", { prompt: null }],
    ["prompt", { prompt: [258] }],
  ])("%s of a text completion", async (param, fields) => {
    const { post } = createClient();
    const response = await post(COMPLETIONS, { prompt: "a", ...fields });
    expect(response.statusCode).toBe(400);
    expect(response.json().error).toMatchObject({ type: "invalid_request_error", param });
  });

  it("but values that ask for nothing are fine", async () => {
    const { post } = createClient();
    const nothing = {
      n: 1,
      tools: [],
      tool_choice: "none",
      response_format: { type: "text" },
      modalities: ["text"],
      audio: null,
    };
    expect((await post(CHAT, { ...hello, ...nothing })).statusCode).toBe(200);
    expect((await post(COMPLETIONS, { prompt: "a", best_of: 1, echo: false, suffix: "" })).statusCode).toBe(200);
  });
});

describe("errors have OpenAI's body", () => {
  it("for a model that is not served", async () => {
    const response = await createClient().post(CHAT, { ...hello, model: "gpt-9" });
    expect(response.statusCode).toBe(404);
    expect(response.json()).toEqual({
      error: {
        message: "the model 'gpt-9' is not served here. Served: org/tiny.",
        type: "not_found_error",
        param: null,
        code: "model_not_found",
      },
    });
  });

  it("for a prompt beyond the context", async () => {
    const response = await createClient().post(COMPLETIONS, { prompt: "x".repeat(500) });
    expect(response.statusCode).toBe(400);
    expect(response.json().error.code).toBe("context_length_exceeded");
  });

  it.each([
    ["text that is not JSON", 400, "{", "application/json"],
    ["nothing", 400, "", "application/json"],
    ["invalid UTF-8", 400, Buffer.from([0x22, 0xff, 0x22]), "application/json"],
    ["more than the limit", 413, Buffer.alloc(4 * 2 ** 20 + 1, " "), "application/json"],
    ["a form", 415, "prompt=a", "application/x-www-form-urlencoded"],
    ["plain text", 415, '{"prompt":"a"}', "text/plain"],
  ])("for a body of %s", async (_name, status, payload, contentType) => {
    const { send } = createClient();
    const headers = { "content-type": contentType };
    const response = await send({ method: "POST", url: COMPLETIONS, payload, headers });
    expect(response.statusCode).toBe(status);
    expect(response.json().error).toMatchObject({ message: expect.any(String), type: "invalid_request_error" });
    expect(response.headers["x-request-id"]).toMatch(/./);
  });

  it.each([
    ["GET", "/v2/nothing", 404],
    ["GET", "/%zz", 404],
    ["GET", CHAT, 405],
    ["DELETE", "/v1/models/org/tiny", 405],
    ["POST", "/health", 405],
  ] as const)("for %s %s", async (method, url, status) => {
    const response = await createClient().send({ method, url });
    expect(response.statusCode).toBe(status);
    expect(response.json().error).toMatchObject({ message: expect.stringContaining(method) });
    expect(response.headers["x-request-id"]).toMatch(/./);
    expect(response.headers["allow"] === undefined).toBe(status === 404);
  });

  it("for a main function that fails, with its status", async () => {
    const failure = remoeError("FUNCTION_LOST", { role: "main", reason: "it was killed" });
    const response = await createClient({ script: { failure } }).post(CHAT, hello);
    expect(response.statusCode).toBe(502);
    expect(response.json().error).toMatchObject({ type: "server_error", code: "REMOE_ERR_FUNCTION_LOST" });
  });

  it("in the middle of a stream as its last event", async () => {
    const failure = remoeError("FUNCTION_LOST", { role: "main", reason: "it was killed" });
    const response = await createClient({ script: { answer: "Hi", failure } }).post(CHAT, { ...hello, stream: true });
    const events = eventsOf(response.body);
    expect(events).toHaveLength(4);
    expect(events.at(-1)).toMatchObject({ error: { code: "REMOE_ERR_FUNCTION_LOST", type: "server_error" } });
  });

  it("for bugs, without their inner life, which goes to the log", async () => {
    const lines: string[] = [];
    const logger = createLogger({ format: "json", write: (line) => lines.push(line) });
    const response = await createClient({ logger, script: { failure: new Error("index 7 of 3") } }).post(CHAT, hello);
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain("index 7");
    expect(lines.join()).toContain("index 7");
  });

  it("when too many requests wait, with the time to come back", async () => {
    const gate = createGate();
    const { pipeline, post } = createClient({
      script: { beforeToken: () => gate.opened },
      admission: { queueLimit: 0 },
    });
    const running = post(CHAT, hello);
    await waitUntil(() => pipeline.admission.running === 1);
    const response = await post(CHAT, { ...hello, stream: true });
    expect(response.statusCode).toBe(429);
    expect(response.headers["retry-after"]).toBe("1");
    expect(response.json().error).toMatchObject({ type: "rate_limit_error", code: "overloaded" });
    gate.open();
    expect((await running).statusCode).toBe(200);
  });
});

describe("models", () => {
  const tiny = { id: "org/tiny", object: "model", created: 1_700_000_000, owned_by: "remoe", max_model_len: 200 };

  it("are listed", async () => {
    expect((await createClient().get("/v1/models")).json()).toEqual({ object: "list", data: [tiny] });
  });

  it.each(["/v1/models/org/tiny", "/v1/models/org%2Ftiny"])("are found by id at %s", async (url) => {
    expect((await createClient().get(url)).json()).toEqual(tiny);
  });

  it("that do not exist are not found", async () => {
    const response = await createClient().get("/v1/models/other");
    expect([response.statusCode, response.json().error.code]).toEqual([404, "model_not_found"]);
  });
});

describe("access", () => {
  it("with a key covers everything but the probes", async () => {
    const { get, post } = createClient({ apiKey: "sk-1", host: "0.0.0.0" });
    for (const url of ["/v1/models", "/metrics", "/remoe/instances", "/v1/models/x", "/nowhere"]) {
      const refused = await get(url);
      expect([url, refused.statusCode, refused.json().error.code]).toEqual([url, 401, "invalid_api_key"]);
    }
    expect((await post(CHAT, hello)).statusCode).toBe(401);
    expect((await post(CHAT, hello, { authorization: "Bearer sk-1" })).statusCode).toBe(200);
    for (const url of ["/livez", "/readyz", "/health", "/version"]) {
      expect((await get(url)).statusCode).toBe(200);
    }
  });

  it("without a key is refused to pages that rebind a name to this machine", async () => {
    const { get } = createClient();
    expect((await get("/v1/models", { host: "evil.example:8000" })).statusCode).toBe(403);
    expect((await get("/v1/models", { host: "127.0.0.1:8000" })).statusCode).toBe(200);
    expect((await get("/v1/models", { host: "[::1]:8000" })).statusCode).toBe(200);
  });

  it("without a key needs a loopback address or an explicit permission", () => {
    expect(() => createTestGateway({ host: "0.0.0.0" })).toThrow("'0.0.0.0' can be reached from other machines");
    expect(() => createTestGateway({ host: "0.0.0.0", allowUnprotected: true })).not.toThrow();
    expect(() => createTestGateway({ host: "0.0.0.0", apiKey: "sk-1" })).not.toThrow();
  });

  it("of web pages is closed unless their origin is listed", async () => {
    const { send, get } = createClient({ corsOrigins: ["https://app.example"], apiKey: "sk-1" });
    const preflight = (origin: string) =>
      send({ method: "OPTIONS", url: CHAT, headers: { origin, "access-control-request-method": "POST" } });
    const allowed = await preflight("https://app.example");
    expect(allowed.statusCode).toBe(204);
    expect(allowed.headers["access-control-allow-origin"]).toBe("https://app.example");
    const refused = await preflight("https://evil.example");
    expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
    const unauthorised = await get("/v1/models", { origin: "https://app.example" });
    expect(unauthorised.statusCode).toBe(401);
    expect(unauthorised.headers["access-control-allow-origin"]).toBe("https://app.example");
  });
});

describe("probes", () => {
  it.each([
    ["/livez", { status: "ok" }],
    ["/readyz", { status: "ok" }],
    ["/health", { status: "ok" }],
    ["/version", { version: "1.2.3" }],
  ])("%s says so", async (url, body) => {
    const response = await createClient().get(url);
    expect([response.statusCode, response.json()]).toEqual([200, body]);
  });
});

describe("request ids", () => {
  it.each(["abc-123", "0af7651916cd43dd8448eb211c80319c", "a.b:c_d"])("%s is kept", async (id) => {
    expect((await createClient().get("/v1/models", { "x-request-id": id })).headers["x-request-id"]).toBe(id);
  });

  it.each(["", "a b", "x".repeat(129), '"quoted"'])("'%s' is replaced", async (id) => {
    const { headers } = await createClient().get("/v1/models", { "x-request-id": id });
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("the access log", () => {
  it("has one line a request, without content or keys, and none for probes", async () => {
    const lines: string[] = [];
    const logger = createLogger({ format: "json", level: "debug", write: (line) => lines.push(line) });
    const { get, post } = createClient({ logger, apiKey: "sk-secret", script: { answer: "private answer" } });
    const headers = { authorization: "Bearer sk-secret", "x-request-id": "r1" };
    await post(CHAT, { messages: [{ role: "user", content: "private question" }] }, headers);
    await post(`${CHAT}?key=sk-secret`, {}, headers);
    await get("/private-path", headers);
    await get("/health");
    expect(lines.join()).not.toMatch(/private|secret/);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        message: "request",
        requestId: "r1",
        method: "POST",
        route: CHAT,
        status: 200,
        model: "org/tiny",
        finishReason: "stop",
        promptTokens: 33,
        completionTokens: 14,
      },
      { status: 400, route: CHAT },
      { status: 404, route: "unknown" },
    ]);
  });
});

describe("metrics", () => {
  it("count requests, tokens and rows, and time what completed", async () => {
    const { get, post } = createClient({ randomSeed: () => 1 });
    await post(CHAT, hello);
    await post(CHAT, { ...hello, stream: true });
    await post(CHAT, { ...hello, n: 2 });
    await get("/secret-path");
    const response = await get("/metrics");
    expect(response.headers["content-type"]).toMatch(/^text\/plain/);
    const text = response.body;
    for (const line of [
      'remoe_requests_total{route="/v1/chat/completions",status="200"} 2',
      'remoe_requests_total{route="/v1/chat/completions",status="400"} 1',
      'remoe_requests_total{route="unknown",status="404"} 1',
      "remoe_requests_running 0",
      "remoe_requests_waiting 0",
      "remoe_prompt_tokens_total 38",
      "remoe_generation_tokens_total 24",
      'remoe_expert_rows_total{place="local"} 48',
      'remoe_expert_rows_total{place="remote"} 24',
      "remoe_time_to_first_token_seconds_count 2",
      "remoe_time_per_output_token_seconds_count 2",
      "remoe_request_queue_seconds_count 2",
      "remoe_e2e_request_latency_seconds_count 2",
      "remoe_cold_start_seconds_sum 1",
      "remoe_cold_start_seconds_count 1",
      'remoe_invocations_total{role="main"} 2',
      'remoe_invocations_total{role="experts"} 2',
      'remoe_billed_seconds_total{role="main",phase="busy"} 0.1',
      'remoe_billed_seconds_total{role="main",phase="cold-start"} 1',
      'remoe_gigabyte_seconds_total{role="experts",phase="busy"} 0.01',
      'remoe_faults_total{kind="lost_replica"} 0',
      'remoe_build_info{version="1.2.3"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).not.toContain("secret-path");
  });

  it("belong to one gateway", async () => {
    const [first, second] = [createClient(), createClient()];
    await first.post(CHAT, hello);
    expect((await second.get("/metrics")).body).toContain("remoe_generation_tokens_total 0\n");
  });
});

describe("GET /remoe/instances", () => {
  it("lists what runs on the gateway's platforms, behind the key", async () => {
    const platform = createPlatform(createScriptedLauncher());
    void platform.acquire(testMain);
    const { get } = createClient({ platforms: [platform], apiKey: "sk-1" });
    expect((await get("/remoe/instances")).statusCode).toBe(401);
    const response = await get("/remoe/instances", { authorization: "Bearer sk-1" });
    expect(response.json()).toEqual({ instances: platform.list() });
    expect(response.json().instances).toMatchObject([
      { name: "main", role: "main", state: "starting", memoryMb: 1024 },
    ]);
  });

  it("is empty where the gateway was told of no platform", async () => {
    expect((await createClient().get("/remoe/instances")).json()).toEqual({ instances: [] });
  });
});

describe("whatever JSON is sent", () => {
  const field = fc.constantFrom(
    ...[
      "model",
      "messages",
      "prompt",
      "stream",
      "stream_options",
      "max_tokens",
      "stop",
      "seed",
      "temperature",
      "top_p",
    ],
    ...["top_k", "min_p", "logprobs", "top_logprobs", "logit_bias", "n", "tools", "chat_template_kwargs", "__proto__"],
  );
  const message = fc.record({ role: fc.constantFrom("user", "assistant", "tool", "x"), content: fc.jsonValue() });
  const value = fc.oneof(fc.jsonValue(), fc.array(message, { maxLength: 3 }), fc.double(), fc.integer());
  const nearlyValid = fc
    .dictionary(field, value, { maxKeys: 4 })
    .map((fields) => ({ messages: hello.messages, prompt: "a", ...fields }));

  it("the answer is an answer or says what is wrong, never a server error", async () => {
    const { send } = createClient();
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(CHAT, COMPLETIONS), fc.oneof(fc.jsonValue(), nearlyValid), async (url, body) => {
        const headers = { "content-type": "application/json" };
        const response = await send({ method: "POST", url, headers, payload: JSON.stringify(body) });
        expect([200, 400, 404]).toContain(response.statusCode);
        if (response.statusCode !== 200) {
          expect(response.json().error.message).toMatch(/.{10}/);
        }
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  it("deep nesting is no exception", async () => {
    const { send } = createClient();
    const payload = `{"prompt":"a","user":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const response = await send({
      method: "POST",
      url: COMPLETIONS,
      headers: { "content-type": "application/json" },
      payload,
    });
    expect(response.statusCode).toBe(200);
  });
});

import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestGateway, type TestGateway } from "./testing/create-test-gateway.ts";
import { createGate } from "./testing/gate.ts";

const hello = { model: "org/tiny", messages: [{ role: "user" as const, content: "hi" }] };
const gate = createGate();

/** The gateway as the official client sees it; the answer's 13th token, if a request wants one, never comes. */
let test: TestGateway;
let client: OpenAI;

beforeAll(async () => {
  test = createTestGateway({
    apiKey: "sk-test",
    script: {
      answer: "Hello, world!",
      beforeToken: async (position) => (position < 12 ? undefined : await gate.opened),
    },
  });
  const { url } = await test.gateway.listen();
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-test", maxRetries: 0 });
});

afterAll(() => test.gateway.stop(0));

describe("the official OpenAI client", () => {
  it("completes a chat", async () => {
    const completion = await client.chat.completions.create({ ...hello, max_tokens: 5 });
    expect(completion.choices[0]?.message).toMatchObject({ role: "assistant", content: "Hello" });
    expect(completion.choices[0]?.finish_reason).toBe("length");
    expect(completion.usage?.total_tokens).toBe(24);
    expect(completion._request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("streams a chat with usage", async () => {
    const stream = await client.chat.completions.create({
      ...hello,
      max_tokens: 5,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
    }
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Hello");
    expect(chunks.at(-2)?.choices[0]).toMatchObject({ delta: {}, finish_reason: "length" });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } });
  });

  it("assembles a stream with its own helper", async () => {
    const final = await client.chat.completions.stream({ ...hello, max_tokens: 5 }).finalChatCompletion();
    expect(final.choices[0]).toMatchObject({ message: { content: "Hello" }, finish_reason: "length" });
  });

  it("reads log probabilities", async () => {
    const completion = await client.chat.completions.create({
      ...hello,
      max_tokens: 2,
      logprobs: true,
      top_logprobs: 2,
    });
    const tokens = completion.choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token)).toEqual(["H", "e"]);
    expect(tokens[0]).toMatchObject({ logprob: -0.5, bytes: [72] });
    expect(tokens[0]?.top_logprobs.map(({ token }) => token)).toEqual(["H", "I"]);
  });

  it("completes and streams text", async () => {
    const whole = await client.completions.create({ model: "org/tiny", prompt: "a", max_tokens: 5, logprobs: 1 });
    expect(whole.choices[0]?.text).toBe("Hello");
    expect(whole.choices[0]?.logprobs?.tokens).toEqual(["H", "e", "l", "l", "o"]);
    const stream = await client.completions.create({ model: "org/tiny", prompt: "a", max_tokens: 5, stream: true });
    let text = "";
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? "";
    }
    expect(text).toBe("Hello");
  });

  it("lists and finds models", async () => {
    const ids = [];
    for await (const model of client.models.list()) {
      ids.push(model.id);
    }
    expect(ids).toEqual(["org/tiny"]);
    expect((await client.models.retrieve("org/tiny")).id).toBe("org/tiny");
  });

  it("recognises errors", async () => {
    await expect(client.chat.completions.create({ ...hello, model: "x" })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.chat.completions.create({ ...hello, n: 2 })).rejects.toMatchObject({
      status: 400,
      param: "n",
      code: "unsupported_parameter",
      type: "invalid_request_error",
    });
    const stranger = new OpenAI({ baseURL: client.baseURL, apiKey: "sk-other", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it("aborts a stream, which stops the generation", async () => {
    const stream = await client.chat.completions.create({ ...hello, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === "d") {
        stream.controller.abort();
      }
    }
    await test.functions.finished;
    expect(test.functions.running).toBe(0);
  });
});

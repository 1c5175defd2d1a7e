import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Gateway } from "./gateway.ts";
import { createTestGateway, type TestGatewayOptions } from "./testing/create-test-gateway.ts";
import { createGate } from "./testing/gate.ts";
import { waitUntil } from "./testing/wait-until.ts";

const LONG = 60_000;
const hello = { messages: [{ role: "user", content: "hi" }] };
const running: Gateway[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((gateway) => gateway.stop(0)));
});

/** A gateway on a real socket. */
async function listen(options: TestGatewayOptions = {}) {
  const test = createTestGateway(options);
  running.push(test.gateway);
  const { url } = await test.gateway.listen();
  const chat = (body: object = {}, signal: AbortSignal | null = null) =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...hello, ...body }),
      signal,
    });
  return { ...test, url, chat };
}

/** A main function that gives some tokens and then holds the next until the gate opens. */
function heldAt(position: number) {
  const gate = createGate();
  return { gate, script: { beforeToken: async (at: number) => (at < position ? undefined : await gate.opened) } };
}

async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, text: string): Promise<string> {
  const decoder = new TextDecoder();
  let received = "";
  while (!received.includes(text)) {
    const { value, done } = await reader.read();
    if (done) {
      throw new Error(`the stream ended without '${text}': ${received}`);
    }
    received += decoder.decode(value, { stream: true });
  }
  return received;
}

function readerOf(response: Response) {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    throw new Error("the response has no body");
  }
  return reader;
}

describe("a client that goes away", () => {
  it("stops its generation in the middle of a stream", async () => {
    const { script } = heldAt(3);
    const { chat, functions, pipeline } = await listen({ script });
    const client = new AbortController();
    await readUntil(readerOf(await chat({ stream: true }, client.signal)), '"content":"l"');
    client.abort();
    await functions.finished;
    await waitUntil(() => pipeline.admission.running === 0);
  });

  it("stops its generation while it waits for a whole answer", async () => {
    const { script } = heldAt(3);
    const { chat, functions, pipeline } = await listen({ script });
    const client = new AbortController();
    const answer = chat({}, client.signal);
    await waitUntil(() => functions.running === 1);
    client.abort();
    await expect(answer).rejects.toThrow("abort");
    await functions.finished;
    await waitUntil(() => pipeline.admission.running === 0);
  });

  it.each([true, false])("leaves the queue (stream: %s)", async (stream) => {
    const { gate, script } = heldAt(0);
    const { chat, functions, pipeline } = await listen({ script });
    const first = chat();
    await waitUntil(() => functions.running === 1);
    const client = new AbortController();
    const second = chat({ stream }, client.signal).catch(() => null);
    await waitUntil(() => pipeline.admission.waiting === 1);
    client.abort();
    await second;
    await waitUntil(() => pipeline.admission.waiting === 0);
    gate.open();
    expect((await first).status).toBe(200);
    expect(functions.requests).toHaveLength(1);
  });
});

describe("a client that does not read", () => {
  it("does not hold the main function", async () => {
    const tokens = 60_000; // some 12 MB of events, more than sockets buffer
    const { url, pipeline, functions } = await listen({
      script: { answer: "x".repeat(tokens) },
      model: { contextLength: tokens + 100 },
    });
    const body = JSON.stringify({ ...hello, stream: true });
    const socket = connect(Number(new URL(url).port), "127.0.0.1").pause();
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`);
    socket.write(`content-length: ${body.length}\r\n\r\n${body}`);
    await waitUntil(() => functions.requests.length === 1);
    await waitUntil(() => pipeline.admission.running === 0);
    expect(socket.bytesRead).toBeLessThan(tokens * 100);
    socket.destroy();
  });
});

describe("a client that waits for a cold start", () => {
  it("gets the headers at once", async () => {
    const start = createGate();
    const { chat, functions } = await listen({ coldStart: start.opened });
    const response = await chat({ stream: true });
    expect([response.status, functions.requests]).toEqual([200, []]);
    start.open();
    await readUntil(readerOf(response), "data: [DONE]");
  });

  it("gets comments meanwhile and then its answer", async () => {
    const start = createGate();
    const { chat } = await listen({ coldStart: start.opened, pingMs: 1 });
    const reader = readerOf(await chat({ stream: true }));
    expect(await readUntil(reader, ": ping\n\n: ping\n\n")).not.toContain("data:");
    start.open();
    expect(await readUntil(reader, "data: [DONE]\n\n")).toContain('"content":"H"');
    expect((await reader.read()).done).toBe(true);
  });
});

describe("requests at the same time", () => {
  it("get their own answers, one after the other", async () => {
    const { chat, functions } = await listen({ script: { answer: "0123456789" } });
    const lengths = [1, 2, 3, 4, 5, 6, 7, 8];
    const answers = await Promise.all(lengths.map(async (length) => (await chat({ max_tokens: length })).json()));
    const texts = answers.map(
      (answer) => (answer as { choices: [{ message: { content: string } }] }).choices[0].message,
    );
    expect(texts.map(({ content }) => content)).toEqual(lengths.map((length) => "0123456789".slice(0, length)));
    expect(functions.requests).toHaveLength(8);
  });
});

describe("stopping", () => {
  it("finishes streams, refuses new requests and then closes", async () => {
    const { gate, script } = heldAt(3);
    const { chat, gateway, url } = await listen({ script });
    const reader = readerOf(await chat({ stream: true }));
    await readUntil(reader, '"content":"l"');
    const stopped = gateway.stop(LONG);
    const refused = await chat();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("60");
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      {
        error: {
          message: expect.stringContaining("shutting down"),
          type: "unavailable_error",
          param: null,
          code: "REMOE_ERR_SHUTTING_DOWN",
        },
      },
    ]);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    gate.open();
    expect(await readUntil(reader, "data: [DONE]")).toContain('"content":"d"');
    await stopped;
    await expect(fetch(`${url}/livez`)).rejects.toThrow("fetch failed");
  });

  it("lets waiting requests have their turn", async () => {
    const { gate, script } = heldAt(0);
    const { chat, gateway, pipeline } = await listen({ script });
    const answers = [chat(), chat()];
    await waitUntil(() => pipeline.admission.waiting === 1);
    const stopped = gateway.stop(LONG);
    gate.open();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
    await stopped;
  });

  it("aborts what is not finished at the deadline, and says so", async () => {
    const { script } = heldAt(3);
    const { chat, gateway, functions } = await listen({ script });
    const reader = readerOf(await chat({ stream: true }));
    await readUntil(reader, '"content":"l"');
    const stopped = gateway.stop(1);
    expect(await readUntil(reader, '"error"')).toContain("REMOE_ERR_SHUTTING_DOWN");
    await functions.finished;
    await stopped;
  });

  it("does not wait for idle connections", async () => {
    const { gateway, url } = await listen();
    const idle = connect(Number(new URL(url).port), "127.0.0.1");
    await new Promise((resolve) => idle.once("connect", resolve));
    await fetch(`${url}/livez`);
    await gateway.stop(LONG);
    idle.destroy();
  });
});

describe("listening", () => {
  it("takes a free port and says which", async () => {
    const { url } = await listen();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it("says why it cannot", async () => {
    const { url } = await listen();
    const { gateway } = createTestGateway({ port: Number(new URL(url).port) });
    await expect(gateway.listen()).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining("EADDRINUSE"),
    });
  });
});

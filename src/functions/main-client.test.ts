import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { GREEDY } from "../model/sampling.ts";
import { connectMain } from "./main-client.ts";
import type { GenerateRequest } from "./protocol.ts";

const REQUEST: GenerateRequest = {
  generationId: "g",
  promptTokens: [1],
  replayTokens: [],
  maxTokens: 1,
  sampling: GREEDY,
  stopTokens: [],
  topLogprobs: null,
  traceTokens: 0,
  functions: [],
  rows: "f32",
  rounding: { granularityMs: 1, minimumMs: 0 },
};
const NONE = { tokens: "", experts: "" };
const DONE = `${JSON.stringify({ type: "done", finishReason: "length", samples: { prefill: NONE, decode: NONE } })}\n`;

/** A main function that answers every generation by `answer`. */
async function serveMain(answer: (response: ServerResponse) => void): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => answer(response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return server;
}

function clientOf(server: Server) {
  const { port } = server.address() as AddressInfo;
  const client = connectMain(`tcp://127.0.0.1:${port}`, { secret: "s", whyLost: async () => "it was killed" });
  onTestFinished(() => client.close());
  return client;
}

describe("a generation's answer", () => {
  it("is whole with its last event, whatever becomes of the connection then", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("uncaughtException", note);
    onTestFinished(() => void process.off("uncaughtException", note));
    let answering: ServerResponse | undefined;
    const server = await serveMain((response) => {
      answering = response;
      response.write(DONE);
    });
    const types: string[] = [];
    for await (const event of clientOf(server).generate(REQUEST, new AbortController().signal)) types.push(event.type);
    answering?.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(types).toEqual(["done"]);
    expect(unhandled).toEqual([]);
  });

  it("that breaks off before is lost, with the reason", async () => {
    const server = await serveMain((response) => {
      response.flushHeaders();
      setImmediate(() => response.destroy());
    });
    const first = async (): Promise<unknown> => {
      for await (const event of clientOf(server).generate(REQUEST, new AbortController().signal)) return event;
      return null;
    };
    await expect(first()).rejects.toMatchObject({
      code: "FUNCTION_LOST",
      message: expect.stringContaining("killed"),
    });
  });
});

import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { isRemoeError, remoeError, reviveError } from "../core/errors.ts";
import type { DoneEvent, GenerateEvent, GenerateRequest, TokenEvent } from "./protocol.ts";

export interface MainClient {
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<TokenEvent | DoneEvent>;
  close(): void;
}

/**
 * Talks to a main function.
 * @param socketPath where it listens
 * @param whyLost asked when the connection breaks: how the process ended, if it did
 */
export function connectMain(socketPath: string, whyLost: () => Promise<string>): MainClient {
  const agent = new Agent({ keepAlive: true });

  async function* generate(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<TokenEvent | DoneEvent, void, void> {
    signal.throwIfAborted();
    try {
      const response = await post({ agent, socketPath, signal }, JSON.stringify(request));
      for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
        const event = JSON.parse(line) as GenerateEvent;
        if (event.type === "error") throw reviveError(event.error);
        yield event;
        if (event.type === "done") return;
      }
      throw new Error("the answer ended early");
    } catch (error) {
      signal.throwIfAborted();
      if (isRemoeError(error)) throw error;
      throw remoeError("FUNCTION_LOST", { role: "main", reason: await whyLost() }, error);
    }
  }

  return { generate, close: () => agent.destroy() };
}

function post(
  { agent, socketPath, signal }: { agent: Agent; socketPath: string; signal: AbortSignal },
  body: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const request = httpRequest({ agent, socketPath, path: "/generate", method: "POST", headers, signal });
    request.once("response", resolve);
    request.once("error", reject);
    request.end(body);
  });
}

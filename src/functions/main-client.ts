import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { isRemoeError, remoeError, reviveError } from "../core/errors.ts";
import { type Endpoint, parseEndpoint } from "../wire/endpoint.ts";
import { authorisation } from "./authorisation.ts";
import { decodeEvent } from "./event-line.ts";
import type { ErrorEvent, GenerateEvent, MainFunction } from "./protocol.ts";

export interface MainClient extends MainFunction {
  close(): void;
}

export interface ConnectMainOptions {
  readonly secret: string;
  /** Asked when the connection breaks: how the process ended, if it did. */
  readonly whyLost: () => Promise<string>;
}

const OK = 200;

/** Talks to a main function. */
export function connectMain(endpoint: string, { secret, whyLost }: ConnectMainOptions): MainClient {
  const agent = new Agent({ keepAlive: true });
  const connection = { agent, ...address(parseEndpoint(endpoint)), headers: { authorization: authorisation(secret) } };

  async function* generate(
    ...[request, signal]: Parameters<MainFunction["generate"]>
  ): AsyncGenerator<Exclude<GenerateEvent, ErrorEvent>, void, void> {
    signal.throwIfAborted();
    try {
      const response = await post(connection, "/generate", { body: request, signal });
      if (response.statusCode !== OK) throw new Error(`it answered with status ${response.statusCode}`);
      for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })) {
        const event = decodeEvent(line);
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

  const steer = async (path: string, body: object): Promise<void> => {
    // A function that is gone has nothing left to steer; its generation fails with the reason.
    const response = await post(connection, path, { body }).catch(() => null);
    response?.resume();
  };

  return {
    generate,
    finish: (requestId) => steer("/finish", { requestId }),
    provide: (ready) => steer("/replicas", ready),
    close: () => agent.destroy(),
  };
}

type Address = { readonly socketPath: string } | { readonly host: string; readonly port: number };

function address(endpoint: Endpoint): Address {
  return "path" in endpoint ? { socketPath: endpoint.path } : { host: endpoint.host, port: endpoint.port };
}

function post(
  { headers, ...connection }: { agent: Agent; headers: Record<string, string> } & Address,
  path: string,
  { body, signal }: { readonly body: object; readonly signal?: AbortSignal },
): Promise<IncomingMessage> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      ...connection,
      path,
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(text) },
      ...(signal === undefined ? {} : { signal }),
    });
    request.once("response", resolve);
    request.once("error", reject);
    request.end(text);
  });
}

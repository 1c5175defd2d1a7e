import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { DownloadFailure } from "./download-failure.ts";

/** Bytes of a file, both ends included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

export interface RangeRequest extends Range {
  readonly url: URL;
  /** Sent as a bearer's. */
  readonly token: string | null;
  /** Without a byte for so long, the connection is given up. */
  readonly silenceMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a server says of the range that it sends. */
export interface RangeReply extends Range {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Changes with the file; `null` if the server has nothing like it. */
  readonly tag: string | null;
  readonly modifiedMs: number;
}

/** Connections at a time to one server. */
const CONNECTIONS = 16;

const HTTP = { send: httpRequest, agent: new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS }) };
const HTTPS = { send: httpsRequest, agent: new HttpsAgent({ keepAlive: true, maxSockets: CONNECTIONS }) };

/** Asks for a range. → the head of the answer, whatever its status; its body follows */
export function requestRange({ url, first, last, token, silenceMs, signal }: RangeRequest): Promise<IncomingMessage> {
  const { send, agent } = url.protocol === "https:" ? HTTPS : HTTP;
  const headers = {
    range: `bytes=${first}-${last}`,
    "accept-encoding": "identity",
    "user-agent": "remoe",
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  return new Promise((resolve, reject) => {
    let waiting: { destroy(error: Error): unknown };
    const request = send(url, { agent, headers, timeout: silenceMs, signal }, (response) => {
      waiting = response;
      resolve(response);
    });
    waiting = request;
    request.on("timeout", () => {
      const reason = `the server sent nothing for ${silenceMs / 1000} s`;
      waiting.destroy(new DownloadFailure(reason, { isPassing: true }));
    });
    request.on("error", reject);
    request.end();
  });
}

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/;

/** → what the head of a 206 says; `null` if it does not say which bytes it sends, or sends them compressed */
export function readRangeReply({ headers }: IncomingMessage): RangeReply | null {
  const found = CONTENT_RANGE.exec(headers["content-range"] ?? "");
  if (found === null || (headers["content-encoding"] ?? "identity") !== "identity") return null;
  const [first, last, size] = found.slice(1).map(Number) as [number, number, number];
  const modified = headers["last-modified"];
  return {
    first,
    last,
    size,
    tag: headers.etag?.replace(/^W\//, "") ?? modified ?? null,
    modifiedMs: Date.parse(modified ?? "") || 0,
  };
}

import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** A request as it arrived. */
export interface AskedRange {
  /** With the query. */
  readonly url: string;
  readonly first: number;
  readonly last: number;
  readonly authorization: string | undefined;
}

/** The right answer to a request, to be given or spoilt. */
interface Answer {
  readonly response: ServerResponse;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
}

export type Behaviour = (answer: Answer) => void;

const serve: Behaviour = ({ response, headers, body }) => void response.writeHead(206, headers).end(body);

/** What a server can do instead of serving. */
export const FAULTS = {
  /** Nothing goes wrong this time. */
  none: serve,
  status:
    (status: number, headers: OutgoingHttpHeaders = {}): Behaviour =>
    ({ response }) =>
      void response.writeHead(status, headers).end(),
  redirect: (location: string): Behaviour => FAULTS.status(302, { location }),
  /** Ends the connection after so many bytes of the body. */
  cut:
    (bytes: number): Behaviour =>
    ({ response, headers, body }) => {
      response.writeHead(206, headers);
      response.write(body.subarray(0, bytes), () => response.destroy());
      if (bytes === 0) response.flushHeaders();
    },
  /** Sends fewer bytes than announced, as if that were all. */
  shorten:
    (bytes: number): Behaviour =>
    ({ response, headers: { "content-length": _length, ...headers }, body }) =>
      void response.writeHead(206, headers).end(body.subarray(0, bytes)),
  /** Says nothing more after so many bytes. */
  stall:
    (bytes: number): Behaviour =>
    ({ response, headers, body }) =>
      void response.writeHead(206, headers).write(body.subarray(0, bytes)),
  /** Changes what the head says. */
  claim:
    (claims: OutgoingHttpHeaders): Behaviour =>
    ({ response, headers, body }) =>
      void response.writeHead(206, { ...headers, ...claims }).end(body),
  /** Ignores the range. */
  whole: (({ response, headers, body }) =>
    void response.writeHead(200, { etag: headers["etag"] as string }).end(body)) satisfies Behaviour,
} as const;

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Serves ranges of files in memory on the loopback interface, and writes down what it is asked. */
export class RangeServer implements AsyncDisposable {
  readonly asked: AskedRange[] = [];
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #protocol: "http" | "https";
  readonly #server: Server;
  readonly #script: Behaviour[] = [];

  private constructor(files: ReadonlyMap<string, Uint8Array>, certificate: Certificate | null) {
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#files = files;
    this.#protocol = certificate === null ? "http" : "https";
    this.#server = certificate === null ? createServer(answer) : createHttpsServer(certificate, answer);
  }

  /**
   * @param files by name
   * @param certificate for https
   */
  static async start(
    files: ReadonlyMap<string, Uint8Array>,
    certificate: Certificate | null = null,
  ): Promise<RangeServer> {
    const server = new RangeServer(files, certificate);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  url(name: string): string {
    return `${this.#protocol}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  /** How the next requests are answered, one each; those after them are served. */
  script(...behaviours: readonly Behaviour[]): void {
    this.#script.push(...behaviours);
  }

  /** Ranges asked of one file, in the order of its bytes. */
  rangesOf(name: string): { readonly offset: number; readonly bytes: number }[] {
    return this.asked
      .filter(({ url }) => url === `/${name}`)
      .map(({ first, last }) => ({ offset: first, bytes: last - first + 1 }))
      .toSorted((a, b) => a.offset - b.offset);
  }

  /** Of all ranges asked so far, as far as there are bytes. */
  get bytesAsked(): number {
    return this.asked.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  #answer({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const file = this.#files.get(decodeURIComponent(new URL(url, "http://server").pathname.slice(1)));
    const [first = 0, end = 0] = (/^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? []).slice(1).map(Number);
    const size = file?.length ?? 0;
    const last = Math.min(end, size - 1);
    this.asked.push({ url, first, last, authorization: headers.authorization });
    const behaviour = this.#script.shift() ?? (file === undefined ? FAULTS.status(404) : serve);
    const body = file?.subarray(first, last + 1) ?? new Uint8Array();
    behaviour({
      response,
      body,
      headers: {
        "content-range": `bytes ${first}-${last}/${size}`,
        "content-length": body.length,
        etag: '"first"',
        "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

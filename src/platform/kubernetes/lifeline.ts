import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { authorisation } from "../../functions/authorisation.ts";
import type { ReadyReport } from "../../functions/spec.ts";
import { readLines } from "../../kubernetes/read-lines.ts";
import { CONTROL_PORT } from "./function-pod.ts";

export interface LifelineOptions {
  /** Closes it. */
  readonly signal: AbortSignal;
  /** The function serves. */
  readonly onReady: (report: ReadyReport) => void;
  /** Nobody holds the other end any more: the process has ended, or the network broke. */
  readonly onBroken: () => void;
}

/** While a container starts, nobody answers at its address. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;
/** A packet to an address that is not there yet may be lost without a word, and sent again only after seconds. */
const CONNECT_MS = 300;
const ANSWER_MS = 5_000;

/** The connection by which a function knows that it is needed, and tells its gateway how its start went. */
export class Lifeline {
  readonly #secret: string;
  readonly #options: LifelineOptions;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  #isOpen = false;
  #isConnected = false;

  constructor(secret: string, options: LifelineOptions) {
    this.#secret = secret;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#closing.signal]);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Connects to the function at an address, and again whenever the connection breaks; only the first call counts. */
  open(ip: string): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    void this.#hold(ip);
  }

  close(): void {
    this.#closing.abort();
  }

  async #hold(ip: string): Promise<void> {
    const signal = this.#signal;
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      const connection = await this.#connect(ip).catch(() => null);
      if (connection !== null) {
        this.#isConnected = true;
        await this.#listen(connection).catch(() => {});
        this.#isConnected = false;
        if (!signal.aborted) this.#options.onBroken();
        pauseMs = FIRST_PAUSE_MS;
      }
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #connect(host: string): Promise<IncomingMessage> {
    const headers = { authorization: authorisation(this.#secret) };
    const where = { host, port: CONTROL_PORT, path: "/start" };
    const request = get({ ...where, headers, agent: false, signal: this.#signal });
    request.on("error", () => {}); // After the response, the response tells it.
    const impatience = setTimeout(() => request.destroy(), ANSWER_MS).unref();
    const unreachable = setTimeout(() => request.destroy(), CONNECT_MS).unref();
    request.once("socket", (socket) => socket.once("connect", () => clearTimeout(unreachable)));
    try {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      if (response.statusCode === 200) return response;
      throw new Error(`it answered with status ${response.statusCode}`);
    } catch (error) {
      request.destroy();
      throw error;
    } finally {
      clearTimeout(impatience);
      clearTimeout(unreachable);
    }
  }

  async #listen(connection: IncomingMessage): Promise<void> {
    for await (const line of readLines(connection)) this.#options.onReady(JSON.parse(line) as ReadyReport);
  }
}

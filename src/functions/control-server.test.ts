import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { authorisation } from "./authorisation.ts";
import { type ControlServer, serveControl } from "./control-server.ts";
import type { ReadyReport } from "./spec.ts";

const GRACE_MS = 30_000;
const REPORT: ReadyReport = {
  type: "ready",
  protocol: 2,
  endpoint: "tcp://0.0.0.0:7070",
  weightBytes: 1,
  coldStart: { processMs: 1, librariesMs: 2, weightsMs: 3 },
};

let control: ControlServer;
let onAlone: () => void;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onAlone = vi.fn();
  control = await serveControl({ listen: "tcp://127.0.0.1:0", secret: "secret", graceMs: GRACE_MS, onAlone });
});
afterEach(() => {
  control.close();
  vi.useRealTimers();
});

async function ask(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const { hostname, port } = new URL(control.endpoint);
  const [response] = await once(get({ hostname, port, path, headers, agent: false }), "response");
  return response as IncomingMessage;
}

const connect = (): Promise<IncomingMessage> => ask("/start", { authorization: authorisation("secret") });

/** Resolves when the server has noticed it. */
async function hangUp(lifeline: IncomingMessage): Promise<void> {
  lifeline.destroy();
  await vi.waitUntil(() => vi.getTimerCount() > 0);
}

describe("the control server of a function", () => {
  it("tells probes whether the function serves", async () => {
    expect((await ask("/readyz")).statusCode).toBe(503);
    control.report(REPORT);
    expect((await ask("/readyz")).statusCode).toBe(200);
  });

  it("tells who waited, and who comes later, how the start went", async () => {
    const early = await connect();
    control.report(REPORT);
    for (const lifeline of [early, await connect()]) {
      const [line] = await once(lifeline, "data");
      expect(JSON.parse(String(line))).toEqual(REPORT);
    }
  });

  it("tells nobody who does not know the secret", async () => {
    control.report(REPORT);
    expect((await ask("/start")).statusCode).toBe(401);
    expect((await ask("/start", { authorization: authorisation("guess") })).statusCode).toBe(401);
    expect((await ask("/")).statusCode).toBe(404);
  });

  it("lets the function go on for as long as someone is connected", async () => {
    await connect();
    vi.advanceTimersByTime(10 * GRACE_MS);
    expect(onAlone).not.toHaveBeenCalled();
  });

  it("ends it when nobody ever comes", () => {
    vi.advanceTimersByTime(GRACE_MS - 1);
    expect(onAlone).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onAlone).toHaveBeenCalledOnce();
  });

  it("ends it when the last one has gone and does not come back", async () => {
    const [first, second] = [await connect(), await connect()];
    first.destroy();
    await hangUp(second);
    const third = await connect();
    vi.advanceTimersByTime(2 * GRACE_MS);
    expect(onAlone).not.toHaveBeenCalled();
    await hangUp(third);
    vi.advanceTimersByTime(GRACE_MS);
    expect(onAlone).toHaveBeenCalledOnce();
  });
});

import { createServer } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type ControlServer, serveControl } from "../../functions/control-server.ts";
import type { ReadyReport } from "../../functions/spec.ts";
import { CONTROL_PORT } from "./function-pod.ts";
import { Lifeline } from "./lifeline.ts";

const IP = "127.2.0.1";
const REPORT: ReadyReport = {
  type: "ready",
  protocol: 2,
  endpoint: "tcp://0.0.0.0:7070",
  weightBytes: 1,
  coldStart: { processMs: 1, librariesMs: 2, weightsMs: 3 },
};

let lifeline: Lifeline | null = null;
let server: ControlServer | null = null;
afterEach(() => {
  lifeline?.close();
  server?.close();
});

const onAlone = (): void => {};
async function startServer(): Promise<ControlServer> {
  server = await serveControl({ listen: `tcp://${IP}:${CONTROL_PORT}`, secret: "secret", graceMs: 60_000, onAlone });
  return server;
}

function openLifeline() {
  const events = { onReady: vi.fn(), onBroken: vi.fn() };
  lifeline = new Lifeline("secret", { signal: new AbortController().signal, ...events });
  lifeline.open(IP);
  return { ...events, connected: () => vi.waitUntil(() => lifeline?.isConnected) };
}

describe.runIf(process.platform === "linux")("a lifeline (needs loopback addresses as Linux has them)", () => {
  it("waits for a function that does not listen yet, and hears when it serves", async () => {
    const { onReady, connected } = openLifeline();
    const { report } = await startServer();
    await connected();
    report(REPORT);
    await vi.waitFor(() => expect(onReady).toHaveBeenCalledExactlyOnceWith(REPORT));
  });

  it("that breaks is told and connected again", async () => {
    const { close } = await startServer();
    const { onBroken, connected } = openLifeline();
    await connected();
    close();
    await vi.waitFor(() => expect(onBroken).toHaveBeenCalledOnce());
    await startServer();
    await vi.waitUntil(() => lifeline?.isConnected);
  });

  it("that is closed tells nothing more", async () => {
    const { close } = await startServer();
    const { onBroken, connected } = openLifeline();
    await connected();
    lifeline?.close();
    close();
    await vi.waitUntil(() => lifeline?.isConnected === false);
    expect(onBroken).not.toHaveBeenCalled();
  });

  it("is none where the function refuses it, and is tried again", async () => {
    let requests = 0;
    const refusing = createServer((_request, response) => {
      requests += 1;
      response.writeHead(401).end();
    });
    refusing.listen(CONTROL_PORT, IP);
    const { onBroken, onReady } = openLifeline();
    await vi.waitUntil(() => requests > 2);
    expect(lifeline?.isConnected).toBe(false);
    expect([onReady, onBroken].filter(({ mock }) => mock.calls.length > 0)).toEqual([]);
    refusing.close();
  });
});

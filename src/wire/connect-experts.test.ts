import { createServer, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ExpertCall } from "./expert-call.ts";
import { sumRows } from "./sum-rows.ts";
import { arbitraryCall, callOf } from "./testing/arbitrary-call.ts";
import { computeFakeRows, createFakeHandler } from "./testing/fake-handler.ts";
import { openConnection, openWire, socketEndpoint, type Wire, type WireOptions } from "./testing/open-wire.ts";
import { TEST_CERTIFICATE } from "./testing/test-certificate.ts";

const deadlineMs = 20_000;
const call = callOf(
  [1, 2, 3, 4],
  [
    [0, 1],
    [0, 2],
  ],
);
const notHeld = callOf([1, 2, 3, 4], [[0, 9]]);
const reply = Float32Array.of(3, 5, 7, 9, 4, 7, 10, 13);
const tls = { serve: { tls: TEST_CERTIFICATE }, connect: { tls: { ca: TEST_CERTIFICATE.cert } } };

/** A gate that the test opens, and a promise for the first call to reach it. */
function createGate() {
  let open = (): void => {};
  let arrive = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const gate = (): Promise<void> => {
    arrive();
    return opened;
  };
  return { gate, arrived, open: () => open() };
}

function expectedRows(sent: ExpertCall): Float32Array {
  const rows = computeFakeRows(sent, 4);
  return sent.weights ? sumRows(sent, sent.weights, rows) : rows;
}

describe.each<[string, () => Promise<WireOptions>]>([
  ["a Unix socket", async () => ({ listen: await socketEndpoint("unix") })],
  ["TCP", async () => ({ listen: "tcp://127.0.0.1:0" })],
  ["TLS", async () => ({ listen: "tls://127.0.0.1:0", ...tls })],
  ["HTTP", async () => ({ listen: "http://127.0.0.1:0" })],
  ["HTTP over a Unix socket", async () => ({ listen: await socketEndpoint("http+unix") })],
  ["HTTPS", async () => ({ listen: "https://127.0.0.1:0", ...tls })],
])("over %s", (_name, transport) => {
  const open = async (options: WireOptions = {}): Promise<Wire> => {
    const base = await transport();
    return openWire({
      ...base,
      ...options,
      serve: { ...base.serve, ...options.serve },
      connect: { ...base.connect, ...options.connect },
    });
  };

  it("brings a row for each pair of token and expert", async () => {
    const { connection } = await open();
    const { rows, busyMs } = await connection.call(call, { deadlineMs });
    expect(rows).toEqual(reply);
    expect(busyMs).toBeGreaterThan(0);
  });

  it("brings any call across bit for bit, many at once, with and without checksums", async () => {
    const wire = await open();
    const connections = [wire.connection, wire.connect({ checksum: true })];
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryCall(4), { minLength: 1, maxLength: 6 }), async (calls) => {
        const replies = await Promise.all(calls.map((sent, i) => connections[i % 2]?.call(sent, { deadlineMs })));
        expect(replies.map((answer) => answer?.rows)).toEqual(calls.map(expectedRows));
      }),
      { seed: 5, numRuns: 30 },
    );
  });

  it("cuts a call over the payload limit, and joins the same reply", async () => {
    const wire = await open();
    const cut = wire.connect({ payloadLimit: 300 });
    await fc.assert(
      fc.asyncProperty(arbitraryCall(4), async (sent) => {
        fc.pre(sent.weights === null);
        expect((await cut.call(sent, { deadlineMs })).rows).toEqual(expectedRows(sent));
      }),
      { seed: 6, numRuns: 20 },
    );
  });

  it("refuses a call of which one row is over the limit", async () => {
    const { connection } = await open({ connect: { payloadLimit: 79 } });
    await expect(connection.call(call, { deadlineMs })).rejects.toMatchObject({ code: "EXPERT_PAYLOAD_TOO_LARGE" });
  });

  it("carries rows in half precision if told to", async () => {
    const { connection } = await open({ connect: { rowType: "f16" } });
    expect((await connection.call(call, { deadlineMs })).rows).toEqual(reply);
    const third = await connection.call(callOf([1 / 3, 0, 0, 0], [[0, 0]]), { deadlineMs });
    expect(third.rows[0]).toBe(0.333251953125 + 1 - (0.333251953125 + 1 - 1.3330078125));
  });

  it("brings the function's own error", async () => {
    const { connection } = await open();
    const refused = connection.call(notHeld, { deadlineMs });
    await expect(refused).rejects.toMatchObject({
      code: "EXPERT_CALL_INVALID",
      message: /expert 9 of layer 1 is not held/,
    });
    expect((await connection.call(call, { deadlineMs })).rows).toEqual(reply);
  });

  it("refuses a peer with another secret", async () => {
    const { connect } = await open();
    await expect(connect({ secret: "guess" }).call(call, { deadlineMs })).rejects.toMatchObject({
      code: "EXPERT_PEER_REJECTED",
    });
  });

  it.each([{ fingerprint: "other" }, { hidden: 2 }])("refuses a peer with another model: %o", async (model) => {
    const { connect } = await open();
    await expect(connect(model).call(call, { deadlineMs })).rejects.toMatchObject({ code: "EXPERT_PEER_REJECTED" });
  });

  it("rejects a call that is not answered by its deadline, and connects anew for the next", async () => {
    const { gate, open: release } = createGate();
    const { connection } = await open({ handler: createFakeHandler({ gate }) });
    await expect(connection.call(call, { deadlineMs: 30 })).rejects.toMatchObject({
      code: "EXPERT_CALL_TIMEOUT",
      details: { deadlineMs: 30 },
    });
    release();
    expect((await connection.call(call, { deadlineMs })).rows).toEqual(reply);
  });

  it("drops a waiting call that is cancelled before it is computed", async () => {
    const { gate, arrived, open: release } = createGate();
    const handler = createFakeHandler({ gate });
    const { connection } = await open({ handler });
    const abort = new AbortController();
    const first = connection.call(call, { deadlineMs });
    await arrived;
    const second = connection.call(callOf([1, 2, 3, 4], [[0, 7]]), { deadlineMs, signal: abort.signal });
    abort.abort(new Error("changed my mind"));
    await expect(second).rejects.toThrow("changed my mind");
    // Refused without waiting, hence the cancellation has arrived, too.
    await expect(connection.call(notHeld, { deadlineMs })).rejects.toThrow("not held here");
    release();
    await first;
    const third = await connection.call(callOf([1, 2, 3, 4], [[0, 3]]), { deadlineMs });
    expect(third.rows).toEqual(Float32Array.of(5, 9, 13, 17));
    expect(handler.computed.map(({ experts }) => experts[0])).toEqual([1, 3]);
  });

  it("does not begin a call whose signal has aborted", async () => {
    const handler = createFakeHandler();
    const { connection } = await open({ handler });
    await expect(
      connection.call(call, { deadlineMs, signal: AbortSignal.abort(new Error("too late")) }),
    ).rejects.toThrow("too late");
    expect(handler.computed).toHaveLength(0);
  });

  it("loses the calls in flight when the function goes away", async () => {
    const { gate, arrived } = createGate();
    const { connection, server } = await open({ handler: createFakeHandler({ gate }) });
    const lost = expect(connection.call(call, { deadlineMs })).rejects.toMatchObject({
      code: "EXPERT_CONNECTION_LOST",
    });
    await arrived;
    server.close();
    await lost;
    await expect(connection.call(call, { deadlineMs })).rejects.toMatchObject({ code: "EXPERT_CONNECTION_LOST" });
  });

  it("finishes the calls it has received when it drains, and closes then", async () => {
    const { gate, arrived, open: release } = createGate();
    const { connection, server, connect } = await open({ handler: createFakeHandler({ gate }) });
    const first = connection.call(call, { deadlineMs });
    await arrived;
    const drained = server.drain();
    release();
    expect((await first).rows).toEqual(reply);
    await drained;
    await expect(connect().call(call, { deadlineMs })).rejects.toMatchObject({ code: "EXPERT_CONNECTION_LOST" });
  });

  it("answers a call without rows", async () => {
    const { connection } = await open();
    expect((await connection.call(callOf([], []), { deadlineMs })).rows).toHaveLength(0);
  });

  it("fails what waits when it is closed here", async () => {
    const { gate, arrived } = createGate();
    const { connection } = await open({ handler: createFakeHandler({ gate }) });
    const closed = expect(connection.call(call, { deadlineMs })).rejects.toThrow("closed on this side");
    await arrived;
    connection.close();
    await closed;
  });
});

describe("a peer that is no expert function", () => {
  /** Serves raw connections. */
  async function serveRaw(onSocket: (socket: Socket) => void): Promise<string> {
    const endpoint = await socketEndpoint("unix");
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => {}));
      onSocket(socket);
    });
    await new Promise<void>((resolve) => server.listen(endpoint.slice("unix:".length), resolve));
    onTestFinished(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return endpoint;
  }

  it("accepts and never speaks: the call times out", async () => {
    const connection = openConnection(await serveRaw(() => {}));
    await expect(connection.call(call, { deadlineMs: 30 })).rejects.toMatchObject({ code: "EXPERT_CALL_TIMEOUT" });
  });

  it("accepts and never speaks: the connection is lost when it takes too long", async () => {
    const connection = openConnection(await serveRaw(() => {}), { connectTimeoutMs: 30 });
    const lost = { code: "EXPERT_CONNECTION_LOST", message: /no connection within 30 ms/ };
    await expect(connection.call(call, { deadlineMs })).rejects.toMatchObject(lost);
  });

  it("sends garbage", async () => {
    const endpoint = await serveRaw((socket) => socket.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    await expect(openConnection(endpoint).call(call, { deadlineMs })).rejects.toMatchObject({
      code: "EXPERT_FRAME_INVALID",
    });
  });

  it("does not know the secret but answers all the same", async () => {
    const challenge = Buffer.from(
      `524d584601010000${"00".repeat(4)}20000000${"00".repeat(16)}${"aa".repeat(32)}`,
      "hex",
    );
    const welcome = Buffer.from(`524d584601030000${"00".repeat(4)}28000000${"00".repeat(16)}${"bb".repeat(40)}`, "hex");
    const endpoint = await serveRaw((socket) => {
      socket.write(challenge);
      socket.once("data", () => socket.write(welcome));
    });
    const rejected = { code: "EXPERT_PEER_REJECTED", message: /does not know the secret/ };
    await expect(openConnection(endpoint).call(call, { deadlineMs })).rejects.toMatchObject(rejected);
  });

  it("is not there", async () => {
    const connection = openConnection(await socketEndpoint("unix"));
    const lost = { code: "EXPERT_CONNECTION_LOST", message: /ENOENT/ };
    await expect(connection.call(call, { deadlineMs })).rejects.toMatchObject(lost);
  });

  it("has a certificate nobody vouches for", async () => {
    const { connect } = await openWire({ listen: "tls://127.0.0.1:0", ...tls });
    await expect(connect({ tls: {} }).call(call, { deadlineMs })).rejects.toThrow("self-signed certificate");
  });
});

describe("serveExperts", () => {
  it("says why it cannot listen", async () => {
    const { server } = await openWire();
    const listen = server.endpoint;
    await expect(openWire({ listen })).rejects.toMatchObject({ code: "EXPERT_LISTEN_FAILED", message: /EADDRINUSE/ });
  });

  it.each(["tls", "https"])("asks for a certificate for %s", async (type) => {
    await expect(openWire({ listen: `${type}://127.0.0.1:0` })).rejects.toThrow("TLS needs a key and a certificate");
  });
});

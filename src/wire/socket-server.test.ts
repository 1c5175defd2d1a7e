import { once } from "node:events";
import { connect as connectNet, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeCall, shapeOf } from "./call-codec.ts";
import { controlHead, encodeFrame, type Frame, type FrameBytes } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { encodeModel, encodeProof } from "./handshake.ts";
import { callOf } from "./testing/arbitrary-call.ts";
import { createFakeHandler } from "./testing/fake-handler.ts";
import { openWire, SECRET, type Wire } from "./testing/open-wire.ts";

const call = callOf([1, 2, 3, 4], [[0, 1]]);
const bytesOfFrame = (frame: FrameBytes): Buffer => Buffer.concat(frame);
const callBytes = (id: number): Buffer =>
  bytesOfFrame(encodeFrame({ ...controlHead("call", id), timeMs: 20_000 }, encodeCall(call, shapeOf(call, 4, "f32"))));

/** A connection on which the test speaks the protocol by hand. */
interface RawPeer {
  readonly socket: Socket;
  readonly frames: readonly Frame[];
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<unknown>;
  /** Resolves when so many frames have arrived. */
  receive(count: number): Promise<void>;
}

function openRaw(wire: Wire): RawPeer {
  const socket = connectNet(wire.server.endpoint.slice("unix:".length));
  onTestFinished(() => void socket.destroy());
  const frames: Frame[] = [];
  const reader = new FrameReader(1 << 20, (frame) => frames.push(frame));
  socket.on("data", (chunk: Buffer) => reader.push(chunk, "given")).on("error", () => {});
  const receive = async (count: number): Promise<void> => {
    while (frames.length < count) await once(socket, "data");
  };
  return { socket, frames, closed: once(socket, "close"), receive };
}

async function openAuthenticated(wire: Wire): Promise<RawPeer> {
  const peer = openRaw(wire);
  await peer.receive(1);
  const server = peer.frames[0]?.body ?? Buffer.alloc(0);
  peer.socket.write(
    bytesOfFrame(encodeFrame(controlHead("proof"), encodeProof(SECRET, { client: Buffer.alloc(32, 1), server }))),
  );
  await peer.receive(2);
  peer.socket.write(bytesOfFrame(encodeFrame(controlHead("model"), encodeModel({ fingerprint: "fake", hidden: 4 }))));
  return peer;
}

async function expectToServe({ connect }: Wire): Promise<void> {
  const { rows } = await connect().call(call, { deadlineMs: 20_000 });
  expect(rows).toEqual(Float32Array.of(3, 5, 7, 9));
}

describe("a peer that has not proven the secret", () => {
  it("gets a nonce, a new one for every connection, and nothing else", async () => {
    const wire = await openWire();
    const peers = [openRaw(wire), openRaw(wire)];
    for (const peer of peers) {
      await peer.receive(1);
      peer.socket.write(callBytes(1));
      await peer.closed;
      expect(peer.frames.map(({ head, body }) => [head.type, body.length])).toEqual([["challenge", 32]]);
    }
    expect(peers[0]?.frames[0]?.body).not.toEqual(peers[1]?.frames[0]?.body);
    await expectToServe(wire);
  });

  it("cannot replay another's proof", async () => {
    const wire = await openWire();
    const first = openRaw(wire);
    await first.receive(1);
    const nonces = { client: Buffer.alloc(32, 1), server: first.frames[0]?.body ?? Buffer.alloc(0) };
    const proof = bytesOfFrame(encodeFrame(controlHead("proof"), encodeProof(SECRET, nonces)));
    const second = openRaw(wire);
    await second.receive(1);
    second.socket.write(proof);
    await second.closed;
    expect(second.frames).toHaveLength(1);
    first.socket.write(proof);
    await first.receive(2);
    expect(first.frames[1]?.head.type).toBe("welcome");
  });

  it("is closed when it takes too long", async () => {
    const wire = await openWire({ serve: { handshakeTimeoutMs: 30 } });
    const peer = openRaw(wire);
    await peer.closed;
    expect(peer.frames).toHaveLength(1);
  });

  it("may not announce a large frame", async () => {
    const wire = await openWire();
    const peer = openRaw(wire);
    const header = bytesOfFrame(encodeFrame(controlHead("proof"), []));
    header.writeUInt32LE(513, 12);
    peer.socket.write(header);
    await peer.closed;
    await expectToServe(wire);
  });

  it("has to go when too many others come", async () => {
    const wire = await openWire();
    const oldest = openRaw(wire);
    await oldest.receive(1);
    const others = Array.from({ length: 64 }, () => openRaw(wire));
    await oldest.closed;
    await Promise.all(others.map((peer) => peer.receive(1)));
    await expectToServe(wire);
  });
});

describe("a peer that knows the secret", () => {
  it("is served frame by frame, whatever pieces they come in", async () => {
    const wire = await openWire();
    const peer = await openAuthenticated(wire);
    for (const byte of Buffer.concat([callBytes(5), callBytes(6)])) peer.socket.write(Buffer.of(byte));
    await peer.receive(4);
    expect(peer.frames.slice(2).map(({ head }) => [head.type, head.id])).toEqual([
      ["reply", 5],
      ["reply", 6],
    ]);
  });

  it("may send more calls than the server takes at a time", async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const handler = createFakeHandler({ gate: () => released });
    const peer = await openAuthenticated(await openWire({ handler, serve: { payloadLimit: 1000 } }));
    const ids = Array.from({ length: 500 }, (_, i) => i + 1);
    peer.socket.write(Buffer.concat(ids.map(callBytes)));
    release();
    await peer.receive(2 + ids.length);
    expect(peer.frames.slice(2).map(({ head }) => head.id)).toEqual(ids);
  });

  it.each([
    ["announces a body over the limit", (bytes: Buffer) => bytes.writeUInt32LE(0xffffffff, 12)],
    ["damages the head of a call", (bytes: Buffer) => bytes.writeUInt32LE(0xffffffff, 32 + 12)],
    ["says welcome", (bytes: Buffer) => bytes.writeUInt8(3, 5)],
  ])("is closed when it %s", async (_name, damage) => {
    const wire = await openWire();
    const peer = await openAuthenticated(wire);
    const bytes = callBytes(1);
    damage(bytes);
    peer.socket.write(bytes);
    await peer.closed;
    await expectToServe(wire);
  });

  it("with another model is closed", async () => {
    const wire = await openWire();
    const peer = openRaw(wire);
    await peer.receive(1);
    const server = peer.frames[0]?.body ?? Buffer.alloc(0);
    peer.socket.write(
      bytesOfFrame(encodeFrame(controlHead("proof"), encodeProof(SECRET, { client: Buffer.alloc(32), server }))),
    );
    peer.socket.write(bytesOfFrame(encodeFrame(controlHead("model"), encodeModel({ fingerprint: "fake", hidden: 8 }))));
    await peer.closed;
    expect(peer.frames.map(({ head }) => head.type)).toEqual(["challenge", "welcome"]);
  });
});

describe("hostile bytes", () => {
  /** Bytes that are noise, or a frame cut off, or with a bit flipped, or with a length of its own. */
  const hostile = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 1, max: callBytes(1).length - 1 }).map((length) => callBytes(1).subarray(0, length)),
    fc.nat(callBytes(1).length * 8 - 1).map((bit) => {
      const bytes = callBytes(1);
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return bytes;
    }),
    fc.nat(0xffffffff).map((length) => {
      const bytes = callBytes(1);
      bytes.writeUInt32LE(length, 12);
      return bytes;
    }),
  );

  it.each([
    ["before", openRaw],
    ["after", openAuthenticated],
  ])("%s authentication never bring the server down", async (_when, open) => {
    const wire = await openWire();
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 3 }), async (pieces) => {
        const { socket, closed } = await open(wire);
        for (const piece of pieces) socket.write(piece);
        socket.end();
        await closed;
      }),
      { seed: 7, numRuns: 150 },
    );
    await expectToServe(wire);
  });

  it("do not make the server set memory aside for what it has not received", async () => {
    const wire = await openWire();
    const before = process.memoryUsage().rss;
    const header = callBytes(1).subarray(0, 32);
    header.writeUInt32LE((256 << 20) - 32, 12);
    const peers = await Promise.all(Array.from({ length: 8 }, () => openAuthenticated(wire)));
    for (const peer of peers) peer.socket.write(header);
    await expectToServe(wire);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 << 20);
  });
});

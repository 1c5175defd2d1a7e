import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCall, encodeCall, shapeOf } from "./call-codec.ts";
import type { ExpertCall } from "./expert-call.ts";
import { controlHead, encodeFrame, type Frame, type FrameBytes, type FrameHead } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { decodeAnswer, encodeReply } from "./reply-codec.ts";
import { arbitraryCall, callOf } from "./testing/arbitrary-call.ts";

const LIMIT = 1 << 20;
const hex = (frame: FrameBytes): string =>
  Buffer.concat(frame)
    .toString("hex")
    .replace(/(.{64})(?=.)/g, "$1 ");
const callHead: FrameHead = { type: "call", id: 7, rowType: "f32", checksum: false, timeMs: 250 };
const twoRows = callOf(
  [1, -2],
  [
    [0, 3],
    [0, 5],
  ],
);

function callFrame(call: ExpertCall, head: FrameHead, hidden: number): Buffer {
  return Buffer.concat(encodeFrame(head, encodeCall(call, shapeOf(call, hidden, head.rowType))));
}

function readAll(bytes: Buffer, pieces: readonly number[] = []): readonly Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader(LIMIT, (frame) => frames.push(frame));
  let from = 0;
  for (const length of pieces) {
    reader.push(Buffer.from(bytes.subarray(from, from + length)), "given");
    from += length;
  }
  reader.push(bytes.subarray(from), "lent");
  return frames;
}

describe("frames on the wire, version 1", () => {
  const shape = shapeOf(twoRows, 2, "f32");
  const weighted = { ...twoRows, weights: Float32Array.of(0.5, 0.25) };

  it.each([
    [
      "a cancellation",
      encodeFrame(controlHead("cancel", 258), []),
      "524d584601060000020100000000000000000000000000000000000000000000",
    ],
    [
      "a call",
      encodeFrame(callHead, encodeCall(twoRows, shape)),
      "524d584601050000070000003000000000000000000000000000000000406f40 " +
        "0100000000000000010000000200000002000000000000000000000000000000 03000000050000000000803f000000c0",
    ],
    [
      "a pre-summed call with a checksum",
      encodeFrame({ ...callHead, checksum: true }, encodeCall(weighted, shapeOf(weighted, 2, "f32"))),
      "524d584601050100070000003800000020c455b2000000000000000000406f40 " +
        "0100000000010000010000000200000002000000000000000000000000000000 " +
        "03000000050000000000003f0000803e0000803f000000c0",
    ],
    [
      "a call in half precision",
      encodeFrame({ ...callHead, rowType: "f16" }, encodeCall(twoRows, shapeOf(twoRows, 2, "f16"))),
      "524d584601050200070000002c00000000000000000000000000000000406f40 " +
        "0100000000000000010000000200000002000000000000000000000000000000 0300000005000000003c00c0",
    ],
    [
      "a reply",
      encodeFrame({ ...callHead, type: "reply", timeMs: 1.5 }, encodeReply(Float32Array.of(1, 2, 3, 4), shape)),
      "524d58460107000007000000180000000000000000000000000000000000f83f 02000000020000000000803f000000400000404000008040",
    ],
  ])("%s", (_name, frame, golden) => {
    expect(hex(frame)).toBe(golden);
  });
});

describe("calls and replies", () => {
  const heads = fc.record({
    type: fc.constant("call" as const),
    id: fc.nat(0xffffffff),
    rowType: fc.constantFrom("f32" as const, "f16" as const),
    checksum: fc.boolean(),
    timeMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
  });

  it("arrive as they were sent, in whatever pieces", () => {
    fc.assert(
      fc.property(heads, arbitraryCall(3), fc.array(fc.integer({ min: 1, max: 80 })), (head, call, pieces) => {
        const [frame, second] = readAll(Buffer.concat([callFrame(call, head, 3), callFrame(call, head, 3)]), pieces);
        expect(frame?.head).toMatchObject(head);
        expect(second?.body).toEqual(frame?.body);
        if (frame === undefined || head.rowType === "f16") return;
        expect(decodeCall(frame).call).toEqual(call);
      }),
      { seed: 2 },
    );
  });

  it("keep what half precision can hold", () => {
    const call = callOf([1, -2, 0.5, 65_504], [[0, 1]]);
    const [frame] = readAll(callFrame(call, { ...callHead, rowType: "f16" }, 4));
    expect(frame && decodeCall(frame).call).toEqual(call);
  });

  it("carry the error of a function", () => {
    const json = { code: "EXPERT_CALL_INVALID", message: "", hint: "", details: { problem: "no" } } as const;
    const frame = { head: controlHead("error", 1), body: Buffer.from(JSON.stringify(json)) };
    expect(decodeAnswer(frame, shapeOf(twoRows, 2, "f32"), false)).toMatchObject({
      code: json.code,
      details: json.details,
    });
  });

  it.each(["", "null", "{}", '{"code":"toString","details":{}}', '{"code":"INTERNAL","details":{"a":{}}}'])(
    "refuse an error frame that holds '%s'",
    (text) => {
      const frame = { head: controlHead("error", 1), body: Buffer.from(text) };
      expect(() => decodeAnswer(frame, shapeOf(twoRows, 2, "f32"), false)).toThrow("no error of the catalogue");
    },
  );

  it("refuse an answer without a checksum where one is asked for", () => {
    const shape = shapeOf(twoRows, 2, "f32");
    const body = Buffer.concat(encodeReply(Float32Array.of(1, 2, 3, 4), shape));
    expect(() => decodeAnswer({ head: controlHead("reply"), body }, shape, true)).toThrow("a reply has no checksum");
  });

  it("refuse a reply of another shape", () => {
    const shape = shapeOf(twoRows, 2, "f32");
    const body = Buffer.concat(encodeReply(Float32Array.of(1, 2, 3, 4), shape));
    const read = (frame: Frame) => () => decodeAnswer(frame, shape, false);
    const head = controlHead("reply");
    expect(read({ head, body })).not.toThrow();
    expect(read({ head, body: body.subarray(4) })).toThrow("has 20 bytes instead of 24");
    expect(read({ head: { ...head, rowType: "f16" }, body })).toThrow("a reply in f16 answers a call in f32");
    body.writeUInt32LE(4, 0);
    expect(read({ head, body })).toThrow("has 4 rows of 2 instead of 2 of 2");
  });
});

describe("hostile frames", () => {
  const good = callFrame(twoRows, { ...callHead, checksum: true }, 2);
  const plain = callFrame(twoRows, callHead, 2);
  const patched = (patch: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(plain);
    patch(bytes);
    return bytes;
  };

  it.each([
    ["another magic", patched((b) => b.writeUInt8(0, 0)), "it starts with"],
    ["another version", patched((b) => b.writeUInt8(9, 4)), "it has version 9, this is version 1"],
    ["an unknown type", patched((b) => b.writeUInt8(0, 5)), "its type 0 is unknown"],
    ["unknown flags", patched((b) => b.writeUInt16LE(0x8000, 6)), "its flags 0x8000 are unknown"],
    [
      "a body over the limit",
      patched((b) => b.writeUInt32LE(0xffffffff, 12)),
      "announces 4294967295 bytes, the limit is 1048576",
    ],
    ["a reserved field", patched((b) => b.writeUInt32LE(1, 20)), "an unused field is not 0"],
    ["a checksum without its flag", patched((b) => b.writeUInt32LE(1, 16)), "an unused field is not 0"],
    ["no number as time", patched((b) => b.writeDoubleLE(Number.NaN, 24)), "its time of NaN ms is out of range"],
    ["negative time", patched((b) => b.writeDoubleLE(-1, 24)), "out of range"],
  ])("with %s are refused at the header", (_name, bytes, problem) => {
    expect(() => readAll(bytes.subarray(0, 32))).toThrow(problem);
  });

  it.each([
    ["more tokens than it has", patched((b) => b.writeUInt32LE(0xffffffff, 32 + 8))],
    ["more rows than it has", patched((b) => b.writeUInt32LE(0xffffffff, 32 + 12))],
    ["another width", patched((b) => b.writeUInt32LE(3, 32 + 16))],
    ["an unknown kernel", patched((b) => b.writeUInt8(2, 32 + 4))],
    ["a reserved field", patched((b) => b.writeUInt8(1, 32 + 6))],
  ])("as a call with %s are refused", (_name, bytes) => {
    const [frame] = readAll(bytes);
    expect(() => frame && decodeCall(frame)).toThrow("a frame of the expert protocol is damaged");
  });

  it("never get through with a flipped bit when they carry a checksum", () => {
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        const bytes = Buffer.from(good);
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        let frames: readonly Frame[] = [];
        try {
          frames = readAll(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "EXPERT_FRAME_INVALID" });
        }
        expect(frames).toHaveLength(0);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});

describe("a large body", () => {
  it("is received where it stays", () => {
    const frames: Frame[] = [];
    const reader = new FrameReader(LIMIT, (frame) => frames.push(frame));
    const bytes = Buffer.concat(encodeFrame(controlHead("reply", 1), [Buffer.alloc(200_000, 5), Buffer.alloc(100, 6)]));
    for (let from = 0; from < bytes.length; ) {
      const buffer = reader.nextBuffer();
      const taken = bytes.copy(buffer, 0, from, Math.min(bytes.length, from + 50_000));
      reader.received(taken, buffer);
      from += taken;
    }
    expect(frames).toHaveLength(1);
    expect(frames[0]?.body.equals(bytes.subarray(32))).toBe(true);
    expect(frames[0]?.body.byteOffset).toBe(0);
  });
});

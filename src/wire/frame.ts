import { crc32 } from "node:zlib";
import { remoeError } from "../core/errors.ts";

/**
 * The frame of the expert protocol. All numbers are little-endian, as are the machines it runs on, so that rows are
 * sent and received as they lie in memory.
 *
 *     0  u32  magic "RMXF"
 *     4  u8   version
 *     5  u8   type
 *     6  u16  flags
 *     8  u32  request id; 0 outside of calls
 *    12  u32  bytes of the body
 *    16  u32  CRC-32 of the body and then of this header with 0 here; 0 without the flag
 *    20  u32  0
 *    24  f64  milliseconds: of a call until its deadline, of a reply that the function was busy; else 0
 *    32       body
 */
export const HEADER_BYTES = 32;
const MAGIC = 0x46584d52;
const VERSION = 1;
const CRC_OFFSET = 16;

const TYPES = ["challenge", "proof", "welcome", "model", "call", "cancel", "reply", "error"] as const;
export type FrameType = (typeof TYPES)[number];

const FLAG_CHECKSUM = 1;
const FLAG_F16 = 2;
const KNOWN_FLAGS = FLAG_CHECKSUM | FLAG_F16;

/** A day; also far below what a timer can count. */
export const MAX_TIME_MS = 86_400_000;
/** Bodies of the frames before a connection is open. */
export const MAX_HANDSHAKE_BODY_BYTES = 512;

/** How the numbers of rows travel: as they are, or rounded to half precision. */
export type RowType = "f32" | "f16";

export interface FrameHead {
  readonly type: FrameType;
  readonly id: number;
  readonly rowType: RowType;
  readonly checksum: boolean;
  readonly timeMs: number;
}

export interface Frame {
  readonly head: FrameHead;
  /** Starts at a multiple of 8 in its ArrayBuffer. */
  readonly body: Buffer;
}

/** A frame's head as it was received, with what is needed to receive its body. */
export interface ReceivedHead extends FrameHead {
  readonly bodyBytes: number;
  readonly crc: number;
}

/** Bytes to be written one after the other. */
export type FrameBytes = readonly Uint8Array[];

/** The head of a frame outside of calls. */
export function controlHead(type: FrameType, id = 0): FrameHead {
  return { type, id, rowType: "f32", checksum: false, timeMs: 0 };
}

/** → header and body; the body is not copied */
export function encodeFrame(head: FrameHead, body: FrameBytes): FrameBytes {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  writeHeader(header, head, sumLengths(body));
  if (head.checksum) header.writeUInt32LE(checksumOf(header, body), CRC_OFFSET);
  return [header, ...body];
}

/**
 * Reads a header; `bodyLimit` is checked here, before anything is allocated for the body.
 * @throws EXPERT_FRAME_INVALID
 */
export function decodeHeader(header: Buffer, bodyLimit: number): ReceivedHead {
  const magic = header.readUInt32LE(0);
  if (magic !== MAGIC) throw invalidFrame(`it starts with 0x${magic.toString(16)}, not with 0x${MAGIC.toString(16)}`);
  const version = header.readUInt8(4);
  if (version !== VERSION) throw invalidFrame(`it has version ${version}, this is version ${VERSION}`);
  const type = TYPES[header.readUInt8(5) - 1];
  if (type === undefined) throw invalidFrame(`its type ${header.readUInt8(5)} is unknown`);
  const flags = header.readUInt16LE(6);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw invalidFrame(`its flags 0x${flags.toString(16)} are unknown`);
  const bodyBytes = header.readUInt32LE(12);
  if (bodyBytes > bodyLimit) throw invalidFrame(`it announces ${bodyBytes} bytes, the limit is ${bodyLimit}`);
  const crc = header.readUInt32LE(CRC_OFFSET);
  const checksum = (flags & FLAG_CHECKSUM) !== 0;
  if ((!checksum && crc !== 0) || header.readUInt32LE(20) !== 0) throw invalidFrame("an unused field is not 0");
  const timeMs = header.readDoubleLE(24);
  if (!(timeMs >= 0 && timeMs <= MAX_TIME_MS)) throw invalidFrame(`its time of ${timeMs} ms is out of range`);
  const rowType = (flags & FLAG_F16) === 0 ? "f32" : "f16";
  return { type, id: header.readUInt32LE(8), rowType, checksum, timeMs, bodyBytes, crc };
}

/** @throws EXPERT_FRAME_INVALID */
export function verifyChecksum(header: Buffer, body: Buffer): void {
  const expected = header.readUInt32LE(CRC_OFFSET);
  header.writeUInt32LE(0, CRC_OFFSET);
  const actual = checksumOf(header, [body]);
  if (actual !== expected) throw invalidFrame("its checksum does not match");
}

export function sumLengths(parts: FrameBytes): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

export function invalidFrame(problem: string): Error {
  return remoeError("EXPERT_FRAME_INVALID", { problem });
}

function writeHeader(header: Buffer, { type, id, rowType, checksum, timeMs }: FrameHead, bodyBytes: number): void {
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(TYPES.indexOf(type) + 1, 5);
  header.writeUInt16LE((checksum ? FLAG_CHECKSUM : 0) | (rowType === "f16" ? FLAG_F16 : 0), 6);
  header.writeUInt32LE(id, 8);
  header.writeUInt32LE(bodyBytes, 12);
  header.writeUInt32LE(0, CRC_OFFSET);
  header.writeUInt32LE(0, 20);
  header.writeDoubleLE(timeMs, 24);
}

/** `header` has 0 where the checksum goes. */
function checksumOf(header: Uint8Array, body: FrameBytes): number {
  let crc = 0;
  // To zlib an empty part without memory means "start anew".
  for (const part of body) if (part.length > 0) crc = crc32(part, crc);
  return crc32(header, crc);
}

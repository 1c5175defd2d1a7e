import { crc32 } from "node:zlib";
import { LIMITS } from "./limits.ts";

/**
 * What surrounds a record's payload in the file:
 *
 *     0  u32  bytes of the payload
 *     4  u32  CRC-32 of the payload
 *     8  u32  CRC-32 of the 8 bytes before
 *    12       payload
 *
 * With a checksum of its own the length can be trusted where the payload cannot, so that one damaged record does not
 * hide the ones behind it.
 */
export const HEAD_BYTES = 12;

export interface FrameHead {
  readonly payloadBytes: number;
  readonly payloadCrc: number;
}

export function encodeFrame(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  frame.writeUInt32LE(crc32(frame.subarray(0, 8)), 8);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** → null if the bytes are no intact head. */
export function decodeHead(bytes: Buffer): FrameHead | null {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(8) !== crc32(bytes.subarray(0, 8))) return null;
  const payloadBytes = bytes.readUInt32LE(0);
  return payloadBytes > LIMITS.recordBytes ? null : { payloadBytes, payloadCrc: bytes.readUInt32LE(4) };
}

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Frame, HEADER_BYTES, invalidFrame } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";

export interface HttpFrame {
  readonly frame: Frame;
  /** SHA-256 of the body, hexadecimal. */
  readonly bodyHash: string;
}

/**
 * Reads the body of a request or reply, which must be one frame of at most `payloadLimit` bytes.
 * @throws EXPERT_FRAME_INVALID, or what broke the stream
 */
export async function readHttpFrame(message: IncomingMessage, payloadLimit: number): Promise<HttpFrame> {
  let frame: Frame | undefined;
  const reader = new FrameReader(payloadLimit - HEADER_BYTES, (read) => {
    if (frame !== undefined) throw invalidFrame("a body is more than one frame");
    frame = read;
  });
  const hash = createHash("sha256");
  for await (const chunk of message as AsyncIterable<Buffer>) {
    reader.push(chunk, "given");
    hash.update(chunk);
  }
  if (frame === undefined || reader.midFrame) throw invalidFrame("a body is not one whole frame");
  return { frame, bodyHash: hash.digest("hex") };
}

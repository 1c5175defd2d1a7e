import type { Socket } from "node:net";
import { type FrameBytes, sumLengths } from "./frame.ts";

/** Frames up to here are copied into one buffer, which is cheaper than writing several. */
const MAX_COPIED_BYTES = 64 << 10;

/** The kernel has copied what is in it by the time a write returns, nearly always: one for all connections. */
let shared: Buffer | undefined;

/** Writes a frame with one system call where the kernel has room for it. */
export function writeFrame(socket: Socket, frame: FrameBytes): void {
  if (sumLengths(frame) <= MAX_COPIED_BYTES) writeCopied(socket, frame);
  else writeGathered(socket, frame);
}

function writeCopied(socket: Socket, frame: FrameBytes): void {
  shared ??= Buffer.allocUnsafeSlow(MAX_COPIED_BYTES);
  let bytes = 0;
  for (const part of frame) {
    shared.set(part, bytes);
    bytes += part.length;
  }
  socket.write(shared.subarray(0, bytes));
  if (socket.writableLength > 0) shared = undefined;
}

function writeGathered(socket: Socket, frame: FrameBytes): void {
  socket.cork();
  for (const part of frame) socket.write(part);
  socket.uncork();
}

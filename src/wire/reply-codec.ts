import { ERRORS, type RemoeError, reviveError, type SerialisedError } from "../core/errors.ts";
import type { CallShape } from "./call-codec.ts";
import type { ExpertReply } from "./expert-call.ts";
import {
  controlHead,
  encodeFrame,
  type Frame,
  type FrameBytes,
  type FrameHead,
  HEADER_BYTES,
  invalidFrame,
} from "./frame.ts";
import { decodeRows, encodeRows, rowBytes } from "./rows.ts";

/**
 * The body of a reply:
 *
 *     0  u32  rows
 *     4  u32  hidden
 *     8       rows [hidden, rows] in the row type of the frame
 */
const HEAD_BYTES = 8;

/** Bytes of the whole frame of the reply to a call. */
export function replyFrameBytes(shape: CallShape): number {
  return HEADER_BYTES + HEAD_BYTES + replyRows(shape) * rowBytes(shape.hidden, shape.rowType);
}

/** → body. The rows are not copied if they travel as f32. */
export function encodeReply(rows: Float32Array, shape: CallShape): FrameBytes {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(replyRows(shape), 0);
  head.writeUInt32LE(shape.hidden, 4);
  return [head, encodeRows(rows, shape.rowType)];
}

/**
 * → the rows of the reply to a call of this shape, as a view if they travelled as f32
 * @throws EXPERT_FRAME_INVALID
 */
function decodeReply({ head: { rowType }, body }: Frame, shape: CallShape): Float32Array {
  const expected = replyFrameBytes(shape) - HEADER_BYTES;
  if (rowType !== shape.rowType) throw invalidFrame(`a reply in ${rowType} answers a call in ${shape.rowType}`);
  if (body.length !== expected) throw invalidFrame(`a reply has ${body.length} bytes instead of ${expected}`);
  const [rows, hidden] = [body.readUInt32LE(0), body.readUInt32LE(4)];
  if (rows !== replyRows(shape) || hidden !== shape.hidden) {
    throw invalidFrame(`a reply has ${rows} rows of ${hidden} instead of ${replyRows(shape)} of ${shape.hidden}`);
  }
  return decodeRows(body.subarray(HEAD_BYTES), rowType);
}

/**
 * → what a reply or error frame says about a call of this shape; an error is the function's own
 * @param checksum whether the frame must have one
 * @throws EXPERT_FRAME_INVALID
 */
export function decodeAnswer(frame: Frame, shape: CallShape, checksum: boolean): ExpertReply | Error {
  if (checksum && !frame.head.checksum) throw invalidFrame("a reply has no checksum");
  if (frame.head.type === "error") return decodeError(frame);
  if (frame.head.type === "reply") return { rows: decodeReply(frame, shape), busyMs: frame.head.timeMs };
  throw invalidFrame(`a frame of type '${frame.head.type}' is no reply`);
}

/** → the frame that reports an error instead of a reply */
export function encodeErrorFrame({ id, checksum }: Pick<FrameHead, "id" | "checksum">, error: RemoeError): FrameBytes {
  return encodeFrame({ ...controlHead("error", id), checksum }, [Buffer.from(JSON.stringify(error))]);
}

/**
 * → the error that a function reported
 * @throws EXPERT_FRAME_INVALID when it is none of the catalogue
 */
function decodeError({ body }: Frame): Error {
  const json = parseJson(body);
  if (!isSerialisedError(json)) throw invalidFrame("an error frame holds no error of the catalogue");
  return reviveError(json);
}

function replyRows({ presummed, tokens, rows }: CallShape): number {
  return presummed ? tokens : rows;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}

function isSerialisedError(json: unknown): json is SerialisedError {
  if (typeof json !== "object" || json === null || !("code" in json) || !("details" in json)) return false;
  return typeof json.code === "string" && Object.hasOwn(ERRORS, json.code) && isDetails(json.details);
}

function isDetails(details: unknown): boolean {
  if (typeof details !== "object" || details === null) return false;
  return Object.values(details).every((value) => typeof value === "string" || typeof value === "number");
}

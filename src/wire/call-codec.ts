import type { ExpertCall } from "./expert-call.ts";
import { type Frame, type FrameBytes, HEADER_BYTES, invalidFrame, type RowType } from "./frame.ts";
import { bytesOf, decodeRows, encodeRows, rowBytes } from "./rows.ts";

/**
 * The body of a call:
 *
 *     0  u32  layer
 *     4  u8   kernel
 *     5  u8   1 if pre-summed
 *     6  u16  0
 *     8  u32  tokens
 *    12  u32  rows
 *    16  u32  hidden
 *    20  u32  0
 *    24       i32 tokens[rows], i32 experts[rows], if pre-summed f32 weights[rows], 0 up to a multiple of 8
 *             inputs [hidden, tokens] in the row type of the frame
 */
const HEAD_BYTES = 24;
const KERNELS = ["decode", "prefill"] as const satisfies readonly ExpertCall["kernel"][];

/** Counts that decide how large a call is. */
export interface CallShape {
  readonly tokens: number;
  readonly rows: number;
  readonly presummed: boolean;
  readonly hidden: number;
  readonly rowType: RowType;
}

export interface DecodedCall {
  readonly call: ExpertCall;
  readonly shape: CallShape;
}

export function shapeOf(call: ExpertCall, hidden: number, rowType: RowType): CallShape {
  const tokens = call.inputs.length / hidden;
  return { tokens, rows: call.tokens.length, presummed: call.weights !== null, hidden, rowType };
}

/** Bytes of the whole frame of a call. */
export function callFrameBytes(shape: CallShape): number {
  return HEADER_BYTES + indexBytes(shape) + shape.tokens * rowBytes(shape.hidden, shape.rowType);
}

/** → body. The inputs are not copied if they travel as f32. */
export function encodeCall(call: ExpertCall, shape: CallShape): FrameBytes {
  const index = Buffer.alloc(indexBytes(shape));
  index.writeUInt32LE(call.layer, 0);
  index.writeUInt8(KERNELS.indexOf(call.kernel), 4);
  index.writeUInt8(shape.presummed ? 1 : 0, 5);
  index.writeUInt32LE(shape.tokens, 8);
  index.writeUInt32LE(shape.rows, 12);
  index.writeUInt32LE(shape.hidden, 16);
  let offset = HEAD_BYTES;
  for (const column of [call.tokens, call.experts, ...(call.weights ? [call.weights] : [])]) {
    index.set(bytesOf(column), offset);
    offset += column.byteLength;
  }
  return [index, encodeRows(call.inputs, shape.rowType)];
}

/**
 * → views onto the body. Checks that the counts make up the body, not what they mean.
 * @throws EXPERT_FRAME_INVALID
 */
export function decodeCall({ head: { rowType }, body }: Frame): DecodedCall {
  if (body.length < HEAD_BYTES) throw invalidFrame(`a call of ${body.length} bytes is too short`);
  const kernel = KERNELS[body.readUInt8(4)];
  const presummed = body.readUInt8(5);
  if (kernel === undefined || presummed > 1 || body.readUInt16LE(6) !== 0 || body.readUInt32LE(20) !== 0) {
    throw invalidFrame("the head of a call is out of range");
  }
  const [tokens, rows, hidden] = [body.readUInt32LE(8), body.readUInt32LE(12), body.readUInt32LE(16)];
  const shape = { tokens, rows, presummed: presummed === 1, hidden, rowType };
  const announced = callFrameBytes(shape) - HEADER_BYTES;
  if (announced !== body.length) throw invalidFrame(`a call of ${body.length} bytes announces ${announced}`);
  const column = (i: number): number => body.byteOffset + HEAD_BYTES + i * rows * Int32Array.BYTES_PER_ELEMENT;
  const call = {
    layer: body.readUInt32LE(0),
    kernel,
    inputs: decodeRows(body.subarray(indexBytes(shape)), rowType),
    tokens: new Int32Array(body.buffer, column(0), rows),
    experts: new Int32Array(body.buffer, column(1), rows),
    weights: shape.presummed ? new Float32Array(body.buffer, column(2), rows) : null,
  };
  return { call, shape };
}

function indexBytes({ rows, presummed }: CallShape): number {
  const bytes = HEAD_BYTES + rows * (presummed ? 3 : 2) * Int32Array.BYTES_PER_ELEMENT;
  return Math.ceil(bytes / 8) * 8;
}

import type { RowType } from "./frame.ts";
import { fromHalves, toHalves } from "./half.ts";

/** Bytes of one row of `hidden` numbers. */
export function rowBytes(hidden: number, rowType: RowType): number {
  return hidden * (rowType === "f32" ? Float32Array.BYTES_PER_ELEMENT : Uint16Array.BYTES_PER_ELEMENT);
}

/** → bytes to send; a view if the rows travel as f32 */
export function encodeRows(rows: Float32Array, rowType: RowType): Uint8Array {
  return bytesOf(rowType === "f32" ? rows : toHalves(rows));
}

/** → a view if the rows travelled as f32. `bytes` starts at a multiple of 8. */
export function decodeRows(bytes: Uint8Array, rowType: RowType): Float32Array {
  if (rowType === "f16") return fromHalves(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

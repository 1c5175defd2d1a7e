import type { FileHandle } from "node:fs/promises";

/** Large enough that records take few reads. */
const WINDOW_BYTES = 1024 ** 2;

/** Reads a file front to back, a window at a time. */
export class FileWindow {
  /** Of the file when the window was opened; nothing beyond is read. */
  readonly size: number;
  readonly #file: FileHandle;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** → the bytes from `offset`; fewer only at the end of the file. */
  async read(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.size);
    if (end <= offset) return Buffer.alloc(0);
    if (offset < this.#start || end > this.#start + this.#bytes.length) await this.#fill(offset, end - offset);
    return this.#bytes.subarray(offset - this.#start, end - this.#start);
  }

  /** Fills a new buffer: who got a view of the old one may keep it. */
  async #fill(offset: number, needed: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(needed, WINDOW_BYTES), this.size - offset));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#file.read(buffer, filled, buffer.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    this.#bytes = buffer.subarray(0, filled);
    this.#start = offset;
  }
}

import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { remoeError } from "../core/errors.ts";
import type { Native } from "../ggml/library.ts";
import { TensorAliases, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import { residentShare } from "../ggml/page-cache.ts";
import type { Address, BufferType, NativeBuffer } from "../ggml/signatures.ts";
import { setTensorAsync } from "../ggml/transfer.ts";
import type { FileSlab } from "../gguf/experts.ts";
import { GgmlType } from "../gguf/types.ts";

/** Rows of one matrix: a range of a file, and where it belongs in memory. */
export interface Slab extends FileSlab {
  readonly type: number;
  /** [in, rows] */
  readonly shape: readonly [number, number];
  readonly buffer: NativeBuffer;
  readonly address: Address;
  /**
   * `plain`: host memory that takes the file's bytes as they are. `own`: host memory that rearranges them for its
   * kernels. `device`: memory of a device, whose driver takes one writer at a time.
   */
  readonly layout: "plain" | "own" | "device";
}

/** Runs read and repacked at once: enough reads in flight for one disk, and work for every core of a small machine. */
const LANES = 4;
/** Longest run: bounds the bounce memory to LANES times this. */
const RUN_BYTES = 4 << 20;
/** Repacked matrices interleave rows by up to 16: a piece must hold whole groups. */
const ROW_GROUP = 32;
/** O_DIRECT wants offsets, lengths and addresses in whole sectors; a page is a multiple of any. */
const SECTOR = 4096;
/** With less of the file than this in the page cache, reading around the cache is faster. */
const MOSTLY_CACHED = 0.5;

/** Slabs that follow each other in one file: one read. */
type Run = readonly Slab[];

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Reads go around the page cache and must be aligned. */
  readonly direct: boolean;
}

interface Reader extends OpenFile {
  readonly native: Native;
  readonly aliases: TensorAliases;
}

/**
 * Reads slabs from files into memory, in the files' order and several at once. A file that is not in the page cache is
 * read with O_DIRECT: nothing is copied through the cache, and the weights are in memory once, not twice.
 * @param host buffer type of plain host memory
 * @throws MODEL_FILE_TRUNCATED when a file ends early
 */
export async function readSlabs(native: Native, slabs: readonly Slab[], host: BufferType): Promise<void> {
  const pieces = slabs.flatMap(splitSlab).toSorted(byPlace);
  const runs = joinRuns(pieces);
  const longest = runs.reduce((max, run) => Math.max(max, runBytes(run)), 0);
  const bounceShape = { type: GgmlType.I8, shape: [longest + 3 * SECTOR] };
  using bounce = new TensorStore(native, host, Array<typeof bounceShape>(LANES).fill(bounceShape));
  using aliases = new TensorAliases(native, pieces.length);
  const files = new Map<string, OpenFile>();
  const queue = runs[Symbol.iterator]();
  try {
    for (const { path } of pieces) if (!files.has(path)) files.set(path, await openForReading(path));
    // Every lane ends before the memory goes, also when one of them failed.
    const lanes = await Promise.allSettled(
      bounce.tensors.map(async (tensor) => {
        const memory = alignedView(tensorAddress(tensor), longest + 2 * SECTOR);
        for (const run of queue) {
          const file = files.get((run[0] as Slab).path) as OpenFile;
          await readRun({ ...file, native, aliases }, run, memory);
        }
      }),
    );
    for (const lane of lanes) if (lane.status === "rejected") throw lane.reason;
  } finally {
    await Promise.all([...files.values()].map(({ handle }) => handle.close()));
  }
}

function byPlace(a: Slab, b: Slab): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.offset - b.offset;
}

async function openForReading(path: string): Promise<OpenFile> {
  if (constants.O_DIRECT !== undefined && residentShare(path) < MOSTLY_CACHED) {
    // A file system without O_DIRECT (tmpfs) refuses to open.
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECT).catch(() => undefined);
    if (handle !== undefined) return { path, handle, direct: true };
  }
  return { path, handle: await open(path, "r"), direct: false };
}

function splitSlab(slab: Slab): Slab[] {
  const [width, rows] = slab.shape;
  const rowBytes = slab.bytes / rows;
  const groups = Math.max(1, Math.floor(RUN_BYTES / rowBytes / ROW_GROUP));
  const step = groups * ROW_GROUP;
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
    const first = i * step;
    const count = Math.min(step, rows - first);
    return {
      ...slab,
      offset: slab.offset + first * rowBytes,
      bytes: count * rowBytes,
      shape: [width, count],
      address: slab.address + BigInt(first * rowBytes),
    };
  });
}

function joinRuns(pieces: readonly Slab[]): Run[] {
  const runs: Slab[][] = [];
  for (const piece of pieces) {
    const run = runs.at(-1);
    if (run !== undefined && follows(run, piece) && runBytes(run) + piece.bytes <= RUN_BYTES) run.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

function follows(run: Run, { path, offset }: Slab): boolean {
  return path === run[0]?.path && offset === endOf(run);
}

function endOf(run: Run): number {
  const last = run.at(-1) as Slab;
  return last.offset + last.bytes;
}

function runBytes(run: Run): number {
  return endOf(run) - (run[0] as Slab).offset;
}

async function readRun(reader: Reader, run: Run, bounce: Uint8Array): Promise<void> {
  if (!reader.direct && run.every(({ layout }) => layout === "plain")) return readInPlace(reader, run);
  const { offset } = run[0] as Slab;
  const bytes = runBytes(run);
  const lead = reader.direct ? offset % SECTOR : 0;
  const length = reader.direct ? Math.ceil((lead + bytes) / SECTOR) * SECTOR : bytes;
  await readFully(reader, bounce.subarray(0, length), offset - lead, lead + bytes);
  for (const piece of run) {
    const start = lead + piece.offset - offset;
    await place(reader, piece, bounce.subarray(start, start + piece.bytes));
  }
}

/** One system call for the whole run, straight to where the bytes belong. */
async function readInPlace(reader: Reader, run: Run): Promise<void> {
  const targets = run.map((piece) => new Uint8Array(view(piece.address, piece.bytes)));
  let { bytesRead } = await reader.handle.readv(targets, (run[0] as Slab).offset);
  for (const [i, target] of targets.entries()) {
    const done = Math.min(bytesRead, target.length);
    bytesRead -= done;
    await readFully(reader, target.subarray(done), (run[i] as Slab).offset + done, target.length - done);
  }
}

async function place({ native, aliases }: Reader, piece: Slab, bytes: Uint8Array): Promise<void> {
  const { type, shape, buffer, address, layout } = piece;
  if (layout === "plain") {
    new Uint8Array(view(address, piece.bytes)).set(bytes);
    return;
  }
  const tensor = aliases.place({ type, shape }, buffer, address);
  if (layout === "own") await setTensorAsync(native, tensor, bytes);
  else native.ggml.ggml_backend_tensor_set(tensor, bytes, 0, bytes.length);
}

/** Fills `target` from the file; the last `target.length - needed` bytes may lie past its end. */
async function readFully(reader: Reader, target: Uint8Array, offset: number, needed: number): Promise<void> {
  let done = 0;
  while (done < needed) {
    const { bytesRead } = await reader.handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) {
      const { path } = reader;
      throw remoeError("MODEL_FILE_TRUNCATED", {
        path,
        part: "tensor data",
        needed: offset + needed,
        size: offset + done,
      });
    }
    done += bytesRead;
  }
}

function alignedView(address: Address, bytes: number): Uint8Array {
  const sector = BigInt(SECTOR);
  return new Uint8Array(view(((address + sector - 1n) / sector) * sector, bytes));
}

import type { Native } from "../ggml/library.ts";
import { TensorAliases, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import type { Address, BufferType, NativeBuffer } from "../ggml/signatures.ts";
import { setTensorAsync } from "../ggml/transfer.ts";
import type { FileSlab } from "../gguf/experts.ts";
import type { ModelSource } from "../gguf/model-source.ts";
import { GgmlType } from "../gguf/types.ts";
import { openRanges, type RangeReader } from "./range-reader.ts";

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

/** How a kind of source is read. Lanes times the longest run is what reading takes of memory. */
interface Pace {
  /** Runs read and repacked at once. */
  readonly lanes: number;
  /** Longest run. */
  readonly runBytes: number;
}

const PACES: Readonly<Record<ModelSource["type"], Pace>> = {
  /** Enough reads in flight for one disk, and work for every core of a small machine. */
  disk: { lanes: 4, runBytes: 4 << 20 },
  /** More in flight: most of the time of a request over a network is waiting. */
  web: { lanes: 16, runBytes: 2 << 20 },
};
/** Repacked matrices interleave rows by up to 16: a piece must hold whole groups. */
const ROW_GROUP = 32;
/** O_DIRECT wants offsets, lengths and addresses in whole sectors; a page is a multiple of any. */
const SECTOR = 4096;

/** Slabs that follow each other in one file: one read. */
type Run = readonly Slab[];

interface Reader extends RangeReader {
  readonly native: Native;
  readonly aliases: TensorAliases;
}

/**
 * Reads slabs of a model into memory, in the files' order and several at once.
 * @param host buffer type of plain host memory
 * @throws MODEL_FILE_TRUNCATED when a file ends early, MODEL_CHANGED, MODEL_DOWNLOAD_FAILED
 */
export async function readSlabs(native: Native, slabs: readonly Slab[], host: BufferType): Promise<void> {
  const [first] = slabs;
  if (first === undefined) return;
  const { lanes, runBytes } = PACES[first.source.type];
  const pieces = slabs.flatMap((slab) => splitSlab(slab, runBytes)).toSorted(byPlace);
  const runs = joinRuns(pieces, runBytes);
  const longest = runs.reduce((max, run) => Math.max(max, bytesOf(run)), 0);
  const bounceShape = { type: GgmlType.I8, shape: [longest + 3 * SECTOR] };
  using bounce = new TensorStore(native, host, Array<typeof bounceShape>(lanes).fill(bounceShape));
  using aliases = new TensorAliases(native, pieces.length);
  const files = new Map<ModelSource, RangeReader>();
  const queue = runs.values();
  let isFailing = false;
  try {
    for (const { source } of pieces) if (!files.has(source)) files.set(source, await openRanges(source));
    // Every lane ends before the memory goes, also when one of them failed.
    const ends = await Promise.allSettled(
      bounce.tensors.map(async (tensor) => {
        const memory = alignedView(tensorAddress(tensor), longest + 2 * SECTOR);
        for (const run of queue) {
          if (isFailing) return;
          const file = files.get((run[0] as Slab).source) as RangeReader;
          await readRun({ ...file, native, aliases }, run, memory).catch((error: unknown) => {
            isFailing = true;
            throw error;
          });
        }
      }),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    await Promise.all([...files.values()].map((file) => file.close()));
  }
}

function byPlace(a: Slab, b: Slab): number {
  if (a.source !== b.source) return a.source.path < b.source.path ? -1 : 1;
  return a.offset - b.offset;
}

function splitSlab(slab: Slab, runBytes: number): Slab[] {
  const [width, rows] = slab.shape;
  const rowBytes = slab.bytes / rows;
  const groups = Math.max(1, Math.floor(runBytes / rowBytes / ROW_GROUP));
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

function joinRuns(pieces: readonly Slab[], runBytes: number): Run[] {
  const runs: Slab[][] = [];
  for (const piece of pieces) {
    const run = runs.at(-1);
    if (run !== undefined && follows(run, piece) && bytesOf(run) + piece.bytes <= runBytes) run.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

function follows(run: Run, { source, offset }: Slab): boolean {
  return source === run[0]?.source && offset === endOf(run);
}

function endOf(run: Run): number {
  const last = run.at(-1) as Slab;
  return last.offset + last.bytes;
}

function bytesOf(run: Run): number {
  return endOf(run) - (run[0] as Slab).offset;
}

async function readRun(reader: Reader, run: Run, bounce: Uint8Array): Promise<void> {
  const { offset } = run[0] as Slab;
  const bytes = bytesOf(run);
  if (!reader.isDirect && run.every(({ layout }) => layout === "plain")) {
    const targets = run.map((piece) => new Uint8Array(view(piece.address, piece.bytes)));
    return reader.read({ targets, offset, needed: bytes });
  }
  const lead = reader.isDirect ? offset % SECTOR : 0;
  const length = reader.isDirect ? Math.ceil((lead + bytes) / SECTOR) * SECTOR : bytes;
  await reader.read({ targets: [bounce.subarray(0, length)], offset: offset - lead, needed: lead + bytes });
  for (const piece of run) {
    const start = lead + piece.offset - offset;
    await place(reader, piece, bounce.subarray(start, start + piece.bytes));
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

function alignedView(address: Address, bytes: number): Uint8Array {
  const sector = BigInt(SECTOR);
  return new Uint8Array(view(((address + sector - 1n) / sector) * sector, bytes));
}

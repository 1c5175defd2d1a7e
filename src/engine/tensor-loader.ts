import { Owned } from "../core/owned.ts";
import { repackBufferType } from "../ggml/cpu-backend.ts";
import type { Native } from "../ggml/library.ts";
import { hasOwnLayout, type TensorShape, TensorStore, tensorAddress } from "../ggml/memory.ts";
import type { BufferType, NativeBuffer, Tensor } from "../ggml/signatures.ts";
import type { FileSlab } from "../gguf/experts.ts";
import { GgmlType } from "../gguf/types.ts";
import { readSlabs, type Slab } from "./slab-reader.ts";

/** Some rows of a matrix, one behind the other in a file. */
export interface FileRows extends FileSlab {
  readonly rows: number;
}

/** A tensor to load: ranges of files, one after the other in memory. */
export interface StoredTensor extends TensorShape {
  readonly name: string;
  readonly parts: readonly FileRows[];
  /** May be rearranged for the matrix kernels. */
  readonly repackable: boolean;
}

/** Where tensors go. */
export interface Placement {
  /** Takes what is kept as stored: host memory, or a device's. */
  readonly plain: BufferType;
  /** Takes repackable tensors of the types it knows; null keeps all of them plain. */
  readonly repack: BufferType | null;
}

export function cpuPlacement(native: Native): Placement {
  return { plain: native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice), repack: repackBufferType(native) };
}

export interface LoadedTensor {
  readonly tensor: Tensor;
  readonly buffer: NativeBuffer;
}

/** Tensors in memory, by name. Disposing frees them all. */
export interface LoadedTensors extends Disposable {
  readonly byName: ReadonlyMap<string, LoadedTensor>;
  readonly bytes: number;
}

/** Repacked matrices interleave this many rows at most; a part must begin on a whole group. */
const ROW_GROUP = 16;

/**
 * Lays the tensors out in one buffer for each kind of memory and reads them, several pieces at once.
 * @throws MODEL_FILE_TRUNCATED, MODEL_CHANGED, MODEL_DOWNLOAD_FAILED, NATIVE_CALL_FAILED when the memory is not to be had
 */
export async function loadTensors(
  native: Native,
  specs: readonly StoredTensor[],
  placement: Placement,
): Promise<LoadedTensors> {
  const packs = (spec: StoredTensor): boolean => spec.repackable && isPackable(native, placement.repack, spec);
  const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
  const plainLayout = native.ggml.ggml_backend_buft_is_host(placement.plain) ? "plain" : "device";
  const [unique, twins] = separateTwins(specs, packs);
  return Owned.construct(async (owned) => {
    const packed = layOut(native, placement.repack ?? host, { specs: unique.filter(packs), layout: "own" });
    owned.own(packed.store);
    const plain = layOut(native, placement.plain, {
      specs: unique.filter((spec) => !packs(spec)),
      layout: plainLayout,
    });
    owned.own(plain.store);
    await readSlabs(native, [...packed.slabs, ...plain.slabs], host);
    const byName = new Map([...packed.loaded, ...plain.loaded]);
    for (const [name, twin] of twins) byName.set(name, byName.get(twin) as LoadedTensor);
    return { byName, bytes: packed.store.bytes + plain.store.bytes, [Symbol.dispose]: () => owned[Symbol.dispose]() };
  });
}

/** Tied embeddings name one file tensor twice: kept once, unless one of the two uses wants it repacked. */
function separateTwins(
  specs: readonly StoredTensor[],
  packs: (spec: StoredTensor) => boolean,
): [StoredTensor[], Map<string, string>] {
  const first = new Map<string, string>();
  const twins = new Map<string, string>();
  const unique = specs.filter((spec) => {
    const key = `${spec.parts.map(({ source, offset }) => `${source.path}:${offset}`)} ${packs(spec)}`;
    const twin = first.get(key);
    if (twin !== undefined) twins.set(spec.name, twin);
    else first.set(key, spec.name);
    return twin === undefined;
  });
  return [unique, twins];
}

interface Group {
  readonly store: TensorStore;
  readonly loaded: readonly [string, LoadedTensor][];
  readonly slabs: readonly Slab[];
}

function layOut(
  native: Native,
  type: BufferType,
  { specs, layout }: { specs: readonly StoredTensor[]; layout: Slab["layout"] },
): Group {
  const store = new TensorStore(native, type, specs, true);
  const placed = specs.map((spec, i) => ({ spec, tensor: store.tensors[i] as Tensor }));
  return {
    store,
    loaded: placed.map(({ spec, tensor }) => [spec.name, { tensor, buffer: store.buffer }]),
    slabs: placed.flatMap(({ spec, tensor }) => slabsOf(spec, { tensor, buffer: store.buffer }, layout)),
  };
}

function slabsOf(spec: StoredTensor, { tensor, buffer }: LoadedTensor, layout: Slab["layout"]): Slab[] {
  const width = spec.shape[0] ?? 1;
  let address = tensorAddress(tensor);
  return spec.parts.map(({ source, offset, bytes, rows }) => {
    const slab: Slab = { source, offset, bytes, type: spec.type, shape: [width, rows], buffer, address, layout };
    address += BigInt(bytes);
    return slab;
  });
}

/** Asks the buffer type itself, with a small matrix of the same type and row grouping. */
function isPackable(native: Native, repack: BufferType | null, spec: StoredTensor): boolean {
  const group = rowGroup(spec);
  if (repack === null || spec.parts.some(({ rows }) => rows % group !== 0)) return false;
  using sample = new TensorStore(native, repack, [{ type: spec.type, shape: [SAMPLE_WIDTH, group] }]);
  return spec.type !== GgmlType.F32 && hasOwnLayout(sample.tensors[0] as Tensor);
}

/** A matrix in one part may have rows for smaller groups only, which the library packs too if it knows such. */
function rowGroup({ parts: [first, ...others] }: StoredTensor): number {
  if (first === undefined || others.length > 0) return ROW_GROUP;
  let group = ROW_GROUP;
  while (first.rows % group !== 0) group /= 2;
  return group;
}

/** A whole number of blocks of every type. */
const SAMPLE_WIDTH = 256;

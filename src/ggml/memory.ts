import koffi from "koffi";
import { remoeError } from "../core/errors.ts";
import { TENSOR_LAYOUT } from "./layout.ts";
import type { Native } from "./library.ts";
import type { Address, BufferType, Context, NativeBuffer, Tensor } from "./signatures.ts";

/** Buffers holding weights get their own scheduling rules in the library. */
const USAGE_WEIGHTS = 1;
const PAGE = 4096;
/** Linux: back this range with 2 MiB pages. Fewer page faults while loading, fewer TLB misses while computing. */
const MADV_HUGEPAGE = 14;
/** Below this a huge page is more waste than help. */
const HUGE_PAGES_FROM = 8 << 20;

export interface TensorShape {
  readonly type: number;
  /** ggml's order, fastest dimension first; one to three of them. */
  readonly shape: readonly number[];
}

/**
 * Tensors of fixed shape in one buffer of a device. The memory lives until disposed; views of it must not be used
 * after that.
 */
export class TensorStore implements Disposable {
  readonly tensors: readonly Tensor[];
  readonly bytes: number;
  readonly #native: Native;
  readonly #context: Context;
  readonly #buffer: NativeBuffer;

  constructor(native: Native, type: BufferType, shapes: readonly TensorShape[], weights = false) {
    const { ggml } = native;
    this.#native = native;
    this.#context = ggml.ggml_init({
      mem_size: Number(ggml.ggml_tensor_overhead()) * (shapes.length + 1),
      mem_buffer: null,
      no_alloc: true,
    });
    this.tensors = shapes.map((shape) => newTensor(native, this.#context, shape));
    const offsets = layOut(native, type, this.tensors);
    this.bytes = offsets.at(-1) ?? 0;
    this.#buffer = allocate(native, type, this.bytes, weights);
    const base = ggml.ggml_backend_buffer_get_base(this.#buffer);
    for (const [i, tensor] of this.tensors.entries()) {
      ggml.ggml_backend_tensor_alloc(this.#buffer, tensor, base + BigInt(offsets[i] ?? 0));
    }
  }

  /** For tensors placed by hand inside this store's memory (slabs, rows). */
  get buffer(): NativeBuffer {
    return this.#buffer;
  }

  clear(): void {
    this.#native.ggml.ggml_backend_buffer_clear(this.#buffer, 0);
  }

  [Symbol.dispose](): void {
    this.#native.ggml.ggml_backend_buffer_free(this.#buffer);
    this.#native.ggml.ggml_free(this.#context);
  }
}

/** More tensors over memory that a {@link TensorStore} owns: slabs of a stack, rows of a batch. */
export class TensorAliases implements Disposable {
  readonly #native: Native;
  readonly #context: Context;

  constructor(native: Native, count: number) {
    this.#native = native;
    const overhead = Number(native.ggml.ggml_tensor_overhead());
    this.#context = native.ggml.ggml_init({ mem_size: overhead * (count + 1), mem_buffer: null, no_alloc: true });
  }

  place(shape: TensorShape, buffer: NativeBuffer, address: Address): Tensor {
    const tensor = newTensor(this.#native, this.#context, shape);
    this.#native.ggml.ggml_backend_tensor_alloc(buffer, tensor, address);
    return tensor;
  }

  [Symbol.dispose](): void {
    this.#native.ggml.ggml_free(this.#context);
  }
}

function newTensor({ ggml }: Native, context: Context, { type, shape }: TensorShape): Tensor {
  const [n0 = 1, n1, n2] = shape;
  if (n2 !== undefined) return ggml.ggml_new_tensor_3d(context, type, n0, n1 ?? 1, n2);
  if (n1 !== undefined) return ggml.ggml_new_tensor_2d(context, type, n0, n1);
  return ggml.ggml_new_tensor_1d(context, type, n0);
}

/** Offset of every tensor, and the total size last. */
function layOut({ ggml }: Native, type: BufferType, tensors: readonly Tensor[]): number[] {
  const alignment = Number(ggml.ggml_backend_buft_get_alignment(type));
  const offsets = [0];
  for (const tensor of tensors) {
    const bytes = Number(ggml.ggml_backend_buft_get_alloc_size(type, tensor));
    offsets.push((offsets.at(-1) ?? 0) + Math.ceil(bytes / alignment) * alignment);
  }
  return offsets;
}

function allocate({ ggml }: Native, type: BufferType, bytes: number, weights: boolean): NativeBuffer {
  const buffer = ggml.ggml_backend_buft_alloc_buffer(type, Math.max(bytes, 1));
  if (buffer === null) {
    const reason = `${(bytes / 2 ** 20).toFixed(0)} MiB of memory are not to be had`;
    throw remoeError("NATIVE_CALL_FAILED", { call: "ggml_backend_buft_alloc_buffer", reason });
  }
  if (weights) ggml.ggml_backend_buffer_set_usage(buffer, USAGE_WEIGHTS);
  const host = ggml.ggml_backend_buft_is_host(type) || ggml.ggml_backend_buft_name(type) === "CPU_REPACK";
  if (host && bytes >= HUGE_PAGES_FROM) adviseHugePages(ggml.ggml_backend_buffer_get_base(buffer), bytes);
  return buffer;
}

let madvise: ((address: bigint, length: number, advice: number) => number) | undefined;

/** Advice only: where the kernel refuses, small pages work as well. */
function adviseHugePages(base: Address, bytes: number): void {
  if (process.platform !== "linux") return;
  madvise ??= koffi.load(null).func("madvise", "int", ["void *", "size_t", "int"]) as NonNullable<typeof madvise>;
  const start = ((base + BigInt(PAGE - 1)) / BigInt(PAGE)) * BigInt(PAGE);
  madvise(start, bytes - Number(start - base), MADV_HUGEPAGE);
}

export function tensorAddress(tensor: Tensor): Address {
  return BigInt(koffi.decode(tensor + TENSOR_LAYOUT.data, "uint64_t") as number | bigint);
}

/** The i-th operand of an operation. */
export function tensorSource(tensor: Tensor, i: number): Tensor {
  return BigInt(koffi.decode(tensor + TENSOR_LAYOUT.src + BigInt(8 * i), "uint64_t") as number | bigint) as Tensor;
}

/** True if the buffer type keeps this tensor in a layout of its own (repacked for GEMM). */
export function hasOwnLayout(tensor: Tensor): boolean {
  return Number(koffi.decode(tensor + TENSOR_LAYOUT.extra, "uint64_t") as number | bigint) !== 0;
}

/** Host memory as JavaScript sees it, without a copy. Making a view costs 4 µs: keep it. */
export function view(address: Address, bytes: number): ArrayBuffer {
  return koffi.view(address, bytes);
}

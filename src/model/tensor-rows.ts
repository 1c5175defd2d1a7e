import { remoeError } from "../core/errors.ts";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import { f32, i32, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";
import { rowBytes } from "../gguf/types.ts";

/** Which rows are read at once, and how they become numbers. */
export interface TensorRowsOptions {
  /** A matrix, [columns, rows]. */
  readonly tensor: TensorInfo;
  readonly rows: number;
  /** Rows `ids` of `table` as numbers, [columns, rows]. Defaults to what is stored. */
  readonly lookup?: (g: GraphBuilder, table: Tensor, ids: Tensor) => Tensor;
}

/** Upper bound of what a lookup records. */
const NODES = 16;

/**
 * Reads rows of a matrix of a model file, of any type, and turns them into single precision by the kernels that the
 * engine uses. Holds no more than the rows of one reading.
 */
export class TensorRows implements Disposable {
  readonly #native: Native;
  readonly #tensor: TensorInfo;
  readonly #rowBytes: number;
  readonly #backend: CpuBackend;
  readonly #table: TensorStore;
  readonly #stored: Uint8Array;
  readonly #io: NamedTensors<ReturnType<typeof idsAndValues>>;
  readonly #g: GraphBuilder;
  readonly #allocator: GraphAllocator;
  readonly #plan: GraphPlan;
  #isDisposed = false;

  constructor(native: Native, { tensor, rows, lookup = storedRows }: TensorRowsOptions) {
    const columns = tensor.shape[0] ?? 1;
    this.#native = native;
    this.#tensor = tensor;
    this.#rowBytes = rowBytes(tensor.type, columns);
    this.#backend = new CpuBackend(native, 1);
    const { bufferType } = this.#backend;
    this.#table = new TensorStore(native, bufferType, [{ type: tensor.type, shape: [columns, rows] }]);
    const [table] = this.#table.tensors as [Tensor];
    this.#stored = new Uint8Array(view(tensorAddress(table), rows * this.#rowBytes));
    this.#io = new NamedTensors(native, bufferType, idsAndValues(columns, rows));
    this.#io.views.ids.set(Array.from({ length: rows }, (_, row) => row));
    this.#g = new GraphBuilder(native, NODES);
    this.#g.expand(this.#io.pin(this.#g, lookup(this.#g, table, this.#io.tensors.ids), "values"));
    this.#allocator = native.ggml.ggml_gallocr_new(bufferType);
    native.ggml.ggml_gallocr_alloc_graph(this.#allocator, this.#g.graph);
    this.#plan = this.#backend.plan(this.#g.graph);
  }

  /**
   * The rows from `first` on, one behind the other.
   * @throws MODEL_FILE_TRUNCATED when the file has changed since its header was read, and what its source throws
   */
  async read(first: number): Promise<Float32Array> {
    const { source, offset } = this.#tensor;
    return this.decode(await source.read(offset + first * this.#rowBytes, this.#stored.length));
  }

  /** Rows as they are stored, as numbers. @throws RESOURCE_DISPOSED when they arrive too late */
  decode(stored: Uint8Array): Float32Array {
    if (this.#isDisposed) throw remoeError("RESOURCE_DISPOSED", { resource: `the reader of '${this.#tensor.name}'` });
    this.#stored.set(stored);
    this.#backend.computePlan(this.#plan);
    return this.#io.views.values.slice();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#backend.freePlan(this.#plan);
    this.#native.ggml.ggml_gallocr_free(this.#allocator);
    for (const part of [this.#g, this.#io, this.#table, this.#backend]) part[Symbol.dispose]();
  }
}

function storedRows(g: GraphBuilder, table: Tensor, ids: Tensor): Tensor {
  return g.getRows(table, ids);
}

function idsAndValues(columns: number, rows: number) {
  return { ids: i32(rows), values: f32(columns, rows) };
}

import koffi from "koffi";
import { remoeError } from "../core/errors.ts";
import { THREADPOOL_LAYOUT } from "./layout.ts";
import type { Native } from "./library.ts";
import type { Backend, BufferType, Graph, GraphPlan, ThreadPool } from "./signatures.ts";

/**
 * How long pool threads spin for the next operation before they sleep, in the library's unit. 50 is its default and
 * bridges the gaps inside a token; 0 would pay 20 µs of wake-up at every graph.
 */
const POLL = 50;

/** A koffi function also has `.async`, which runs the call on a thread of libuv's pool. */
type AsyncCall = { async(...args: unknown[]): void };

/** Threads that compute graphs. Without a pool of its own the library would create and join threads at every graph. */
export class CpuBackend implements Disposable {
  readonly threads: number;
  readonly backend: Backend;
  readonly pool: ThreadPool;
  readonly #native: Native;

  constructor(native: Native, threads: number) {
    this.#native = native;
    this.threads = threads;
    this.backend = native.ggml.ggml_backend_dev_init(native.cpuDevice, null);
    native.cpu.ggml_backend_set_n_threads(this.backend, threads);
    this.pool = native.cpu.ggml_threadpool_new(poolParameters(native, threads));
    native.cpu.ggml_backend_cpu_set_threadpool(this.backend, this.pool);
  }

  /** Plain host memory. */
  get bufferType(): BufferType {
    return this.#native.ggml.ggml_backend_dev_buffer_type(this.#native.cpuDevice);
  }

  compute(graph: Graph): void {
    check(this.#native.ggml.ggml_backend_graph_compute(this.backend, graph));
  }

  /** Computes on another thread; the JavaScript thread stays free. One graph at a time for each backend. */
  computeAsync(graph: Graph): Promise<void> {
    const call = this.#native.ggml.ggml_backend_graph_compute as unknown as AsyncCall;
    return new Promise((resolve, reject) => {
      call.async(this.backend, graph, (error: Error | null, status: number) => {
        if (error !== null) return reject(error);
        try {
          resolve(check(status));
        } catch (failed) {
          reject(failed);
        }
      });
    });
  }

  /** Prepares a graph that runs many times: its work memory and scheduling are laid out once. */
  plan(graph: Graph): GraphPlan {
    return this.#native.ggml.ggml_backend_graph_plan_create(this.backend, graph);
  }

  computePlan(plan: GraphPlan): void {
    check(this.#native.ggml.ggml_backend_graph_plan_compute(this.backend, plan));
  }

  freePlan(plan: GraphPlan): void {
    this.#native.ggml.ggml_backend_graph_plan_free(this.backend, plan);
  }

  /** Puts spinning pool threads to sleep at once (they wake by themselves at the next graph). */
  park(): void {
    this.#native.cpu.ggml_backend_cpu_set_threadpool(this.backend, null);
    this.#native.cpu.ggml_backend_cpu_set_threadpool(this.backend, this.pool);
  }

  [Symbol.dispose](): void {
    this.#native.ggml.ggml_backend_free(this.backend);
    this.#native.cpu.ggml_threadpool_free(this.pool);
  }
}

/** Buffer type in which the library keeps some quantised weights interleaved for its fast kernels; null if it has none. */
export function repackBufferType(native: Native): BufferType | null {
  const list = native.cpu.ggml_backend_dev_get_extra_bufts(native.cpuDevice);
  if (list === null) return null;
  for (let i = 0n; ; i++) {
    const type = BigInt(koffi.decode(list + 8n * i, "uint64_t") as number | bigint) as BufferType;
    if (type === 0n) return null;
    if (native.ggml.ggml_backend_buft_name(type) === "CPU_REPACK") return type;
  }
}

function poolParameters(native: Native, threads: number): Uint8Array {
  const parameters = new Uint8Array(THREADPOOL_LAYOUT.size);
  native.ggml.ggml_threadpool_params_init(parameters, threads);
  new DataView(parameters.buffer).setUint32(THREADPOOL_LAYOUT.poll, POLL, true);
  return parameters;
}

function check(status: number): void {
  if (status === 0) return;
  throw remoeError("NATIVE_CALL_FAILED", { call: "ggml_backend_graph_compute", reason: `status ${status}` });
}

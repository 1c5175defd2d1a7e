import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import type { GraphAllocator } from "../ggml/signatures.ts";

/** Part of a stage of work: records operations that need nothing from the other tasks of its stage. */
export interface GraphTask {
  /** Upper bound of operations that `build` records. */
  readonly nodes: number;
  build(g: GraphBuilder): void;
}

/** Computes stages of tasks, one stage after the other. How tasks are spread over threads does not change a bit. */
export interface GraphRunner {
  /** Into how many tasks a stage is best cut. */
  readonly width: number;
  run(stages: readonly (readonly GraphTask[])[]): Promise<void>;
}

/** More tasks than threads, so that a thread that was held up leaves its next task to the others. */
const TASKS_PER_LANE = 2;

/**
 * For long stages: threads that each compute their own graphs and take the next when they are done. Nothing waits at a
 * barrier between operations, so a core that the machine lends to somebody else slows one graph only; and the
 * JavaScript thread stays free meanwhile.
 */
export class Lanes implements GraphRunner, Disposable {
  readonly width: number;
  readonly #native: Native;
  readonly #lanes: readonly { readonly backend: CpuBackend; readonly allocator: GraphAllocator }[];

  constructor(native: Native, threads: number) {
    this.#native = native;
    this.width = threads * TASKS_PER_LANE;
    this.#lanes = Array.from({ length: threads }, () => {
      const backend = new CpuBackend(native, 1);
      return { backend, allocator: native.ggml.ggml_gallocr_new(backend.bufferType) };
    });
  }

  async run(stages: readonly (readonly GraphTask[])[]): Promise<void> {
    for (const tasks of stages) await this.#runStage(tasks);
  }

  async #runStage(tasks: readonly GraphTask[]): Promise<void> {
    const queue = tasks[Symbol.iterator]();
    await Promise.all(
      this.#lanes.slice(0, tasks.length).map(async ({ backend, allocator }) => {
        for (const task of queue) {
          using g = new GraphBuilder(this.#native, task.nodes);
          task.build(g);
          this.#native.ggml.ggml_gallocr_alloc_graph(allocator, g.graph);
          await backend.computeAsync(g.graph);
        }
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const { backend, allocator } of this.#lanes) {
      this.#native.ggml.ggml_gallocr_free(allocator);
      backend[Symbol.dispose]();
    }
  }
}

/**
 * For short stages: all of them as one graph on the thread pool of the function. Its threads meet after every
 * operation, which costs less than handing over a graph (80 µs) when operations are small.
 */
export class PooledGraph implements GraphRunner, Disposable {
  readonly width = 1;
  readonly #native: Native;
  readonly #backend: CpuBackend;
  readonly #allocator: GraphAllocator;

  constructor(native: Native, backend: CpuBackend) {
    this.#native = native;
    this.#backend = backend;
    this.#allocator = native.ggml.ggml_gallocr_new(backend.bufferType);
  }

  async run(stages: readonly (readonly GraphTask[])[]): Promise<void> {
    const tasks = stages.flat();
    const nodes = tasks.reduce((sum, task) => sum + task.nodes, 0);
    using g = new GraphBuilder(this.#native, nodes);
    for (const task of tasks) task.build(g);
    this.#native.ggml.ggml_gallocr_alloc_graph(this.#allocator, g.graph);
    this.#backend.compute(g.graph);
  }

  [Symbol.dispose](): void {
    this.#native.ggml.ggml_gallocr_free(this.#allocator);
  }
}

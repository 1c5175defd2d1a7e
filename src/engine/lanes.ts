import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import type { GraphAllocator } from "../ggml/signatures.ts";

/** Part of a stage: needs nothing from the other tasks of its stage. */
export interface LaneTask {
  /** Upper bound of operations that `build` records. */
  readonly nodes: number;
  build(g: GraphBuilder): void;
}

/** Computes the tasks of a stage, in so many parts at a time. */
export interface TaskRunner {
  readonly count: number;
  run(tasks: readonly LaneTask[]): Promise<void>;
}

interface Lane {
  readonly backend: CpuBackend;
  readonly allocator: GraphAllocator;
}

/**
 * Threads that each compute one graph of a stage. Nothing waits at a barrier between operations, so a core that the
 * machine lends to somebody else holds up one graph, once.
 */
export class Lanes implements TaskRunner, Disposable {
  readonly count: number;
  /**
   * The same lanes, while the JavaScript thread has bytes to move: a call's inputs are more than the kernel takes at once,
   * and would wait for the end of a stage in which that thread computes.
   */
  readonly beside: TaskRunner;
  readonly #native: Native;
  readonly #lanes: readonly Lane[];

  constructor(native: Native, threads: number) {
    this.#native = native;
    this.count = threads;
    this.#lanes = Array.from({ length: threads }, () => {
      const backend = new CpuBackend(native, 1);
      return { backend, allocator: native.ggml.ggml_gallocr_new(backend.bufferType) };
    });
    this.beside = { count: threads, run: (tasks) => this.#runElsewhere(this.#shares(tasks)) };
  }

  /**
   * Computes a stage of tasks that need nothing from each other; every lane takes its share as one graph, and the
   * JavaScript thread is the first lane: with a thread of its own besides, the lanes would have to give it their cores.
   * How tasks are spread does not change a bit.
   */
  async run(tasks: readonly LaneTask[]): Promise<void> {
    const [first = [], ...others] = this.#shares(tasks);
    const pending = this.#runElsewhere([[], ...others]);
    const [here] = this.#lanes;
    if (here !== undefined && first.length > 0) {
      using g = this.#build(here, first);
      here.backend.compute(g.graph);
    }
    await pending;
  }

  /** Each lane's tasks. */
  #shares(tasks: readonly LaneTask[]): LaneTask[][] {
    return this.#lanes.map((_, i) => tasks.filter((__, t) => t % this.count === i));
  }

  async #runElsewhere(shares: readonly (readonly LaneTask[])[]): Promise<void> {
    await Promise.all(
      this.#lanes.map(async (lane, i) => {
        const own = shares[i] ?? [];
        if (own.length > 0) await this.#computeElsewhere(lane, own);
      }),
    );
  }

  async #computeElsewhere(lane: Lane, tasks: readonly LaneTask[]): Promise<void> {
    using g = this.#build(lane, tasks);
    await lane.backend.computeAsync(g.graph);
  }

  #build({ allocator }: Lane, tasks: readonly LaneTask[]): GraphBuilder {
    const nodes = tasks.reduce((sum, task) => sum + task.nodes, 0);
    const g = new GraphBuilder(this.#native, nodes);
    for (const task of tasks) task.build(g);
    this.#native.ggml.ggml_gallocr_alloc_graph(allocator, g.graph);
    return g;
  }

  [Symbol.dispose](): void {
    for (const { backend, allocator } of this.#lanes) {
      this.#native.ggml.ggml_gallocr_free(allocator);
      backend[Symbol.dispose]();
    }
  }
}

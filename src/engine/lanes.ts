import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import type { GraphAllocator } from "../ggml/signatures.ts";

/** One graph of a stage: needs nothing from the other tasks of its stage. */
export interface LaneTask {
  /** Upper bound of operations that `build` records. */
  readonly nodes: number;
  build(g: GraphBuilder): void;
}

/** More tasks than threads, so that a thread that was held up leaves its next task to the others. */
const TASKS_PER_LANE = 2;

/** Multiplications from which a stage is long: about 10 ms of one core. */
export const LONG_STAGE = 5e8;

interface Lane {
  readonly backend: CpuBackend;
  readonly allocator: GraphAllocator;
}

/**
 * Threads that each compute their own graphs. Nothing waits at a barrier between operations, so a core that the
 * machine lends to somebody else slows one graph only.
 */
export class Lanes implements Disposable {
  readonly count: number;
  /** Into how many tasks a stage is best cut. */
  readonly width: number;
  readonly #native: Native;
  readonly #lanes: readonly Lane[];

  constructor(native: Native, threads: number) {
    this.#native = native;
    this.count = threads;
    this.width = threads * TASKS_PER_LANE;
    this.#lanes = Array.from({ length: threads }, () => {
      const backend = new CpuBackend(native, 1);
      return { backend, allocator: native.ggml.ggml_gallocr_new(backend.bufferType) };
    });
  }

  /**
   * Computes a stage of tasks that need nothing from each other. How they are spread over threads does not change a
   * bit. A long stage leaves the JavaScript thread free, and lanes take the next task when they are done; in a short one
   * every lane gets one graph and the JavaScript thread computes the first itself, which saves handing it over (80 µs).
   */
  async run(tasks: readonly LaneTask[], length: "short" | "long"): Promise<void> {
    if (length === "short") await this.#share(tasks);
    else await this.#queue(tasks);
  }

  async #queue(tasks: readonly LaneTask[]): Promise<void> {
    const queue = tasks[Symbol.iterator]();
    await Promise.all(
      this.#lanes.slice(0, tasks.length).map(async (lane) => {
        for (const task of queue) {
          using g = this.#build(lane, [task]);
          await lane.backend.computeAsync(g.graph);
        }
      }),
    );
  }

  async #share(tasks: readonly LaneTask[]): Promise<void> {
    const [first = [], ...others] = this.#lanes.map((_, i) => tasks.filter((__, t) => t % this.count === i));
    const pending = others.flatMap((own, i) => {
      const lane = this.#lanes[i + 1];
      return own.length === 0 || lane === undefined ? [] : [this.#computeElsewhere(lane, own)];
    });
    const [here] = this.#lanes;
    if (here !== undefined && first.length > 0) {
      using g = this.#build(here, first);
      here.backend.compute(g.graph);
    }
    await Promise.all(pending);
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

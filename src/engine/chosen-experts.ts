import type { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import { i32, i64, NamedTensors, type SharedTensor } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import { NODES_PER_BLOCK } from "../model/architecture.ts";
import type { LayerExperts } from "./expert-bank.ts";
import type { Runtime } from "./runtime.ts";

type Model = Pick<Runtime, "native" | "transformer" | "hyper" | "bank"> & { readonly backend: CpuBackend };

/** What the graphs read and write. */
export interface ExpertTensors {
  /** The token's input is the first row: [hidden, …] */
  readonly input: Tensor;
  /** Expert outputs: [hidden, k or more] */
  readonly rows: Tensor;
}

interface Step {
  readonly g: GraphBuilder;
  readonly plan: GraphPlan;
  readonly allocator: GraphAllocator;
}

/**
 * Any of a layer's experts in memory, applied to one token: the decode kernel. One graph for each layer and number of
 * experts, built when first needed. An expert's row comes out the same whichever others are computed with it.
 */
export class ChosenExperts implements Disposable {
  readonly #model: Model;
  readonly #tensors: ExpertTensors;
  readonly #lists: NamedTensors<{ ids: SharedTensor<"i32">; ranks: SharedTensor<"i64"> }>;
  /** By layer and number of experts. */
  readonly #steps = new Map<number, Step>();

  constructor(model: Model, tensors: ExpertTensors) {
    const { expertsPerToken } = model.hyper;
    this.#model = model;
    this.#tensors = tensors;
    this.#lists = new NamedTensors(model.native, model.backend.bufferType, {
      ids: i32(expertsPerToken),
      ranks: i64(expertsPerToken),
    });
  }

  /** Computes those of `chosen` that are in memory; the output of `chosen[rank]` goes to row `rank`. */
  run(layer: number, chosen: Int32Array): void {
    const held = this.#model.bank.layers[layer];
    if (held === null || held === undefined) return;
    const { ids, ranks } = this.#lists.views;
    let count = 0;
    for (let rank = 0; rank < chosen.length; rank++) {
      const slot = held.slotOf[chosen[rank] as number] ?? -1;
      if (slot < 0) continue;
      ids[count] = slot;
      ranks[count] = BigInt(rank);
      count++;
    }
    if (count > 0) this.#model.backend.computePlan(this.#step(layer, held, count).plan);
  }

  #step(layer: number, held: LayerExperts, count: number): Step {
    const key = layer * (this.#model.hyper.expertsPerToken + 1) + count;
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const { native, backend } = this.#model;
    const g = this.#record(held, count);
    const allocator = native.ggml.ggml_gallocr_new(backend.bufferType);
    native.ggml.ggml_gallocr_alloc_graph(allocator, g.graph);
    const step = { g, plan: backend.plan(g.graph), allocator };
    this.#steps.set(key, step);
    return step;
  }

  #record(held: LayerExperts, count: number): GraphBuilder {
    const { native, transformer, hyper } = this.#model;
    const { ids, ranks } = this.#lists.tensors;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    const rowBytes = hyper.hidden * Float32Array.BYTES_PER_ELEMENT;
    const x = g.view3d(this.#tensors.input, [hyper.hidden, 1, 1], [rowBytes, rowBytes], 0);
    const chosen = g.reshape2d(g.view1d(ids, count, 0), count, 1);
    const outputs = transformer.chosenExperts(g, held.stack, x, chosen); // [hidden, count, 1]
    const rows = g.reshape2d(outputs, hyper.hidden, count);
    g.expand(g.setRows(this.#tensors.rows, rows, g.view1d(ranks, count, 0)));
    return g;
  }

  [Symbol.dispose](): void {
    const { native, backend } = this.#model;
    for (const { g, plan, allocator } of this.#steps.values()) {
      backend.freePlan(plan);
      native.ggml.ggml_gallocr_free(allocator);
      g[Symbol.dispose]();
    }
    this.#lists[Symbol.dispose]();
  }
}

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
}

/** Tokens, and how many experts are applied to each. */
interface StepShape {
  readonly count: number;
  readonly tokens: number;
}

/**
 * A layer's experts in memory, applied to a few tokens: the decode kernel. One graph for each layer and number of
 * experts and tokens, built when first needed. An expert's row comes out the same whichever others are computed with it.
 */
export class ChosenExperts implements Disposable {
  readonly #model: Model;
  readonly #tensors: ExpertTensors;
  readonly #lists: NamedTensors<{ ids: SharedTensor<"i32">; slots: SharedTensor<"i64"> }>;
  /** By layer and shape. */
  readonly #steps = new Map<string, Step>();
  /** By shape and what makes an expert: graphs that need the same memory share it, as one runs at a time. */
  readonly #allocators = new Map<string, GraphAllocator>();

  /** `maxTokens`: most tokens of one run. */
  constructor(model: Model, tensors: ExpertTensors, maxTokens = 1) {
    const rows = model.hyper.expertsPerToken * maxTokens;
    this.#model = model;
    this.#tensors = tensors;
    this.#lists = new NamedTensors(model.native, model.backend.bufferType, { ids: i32(rows), slots: i64(rows) });
  }

  /** Computes those of one token's `chosen` that are in memory; the output of `chosen[rank]` goes to row `rank`. */
  run(layer: number, chosen: Int32Array): void {
    const held = this.#model.bank.layers[layer];
    if (held === null || held === undefined) return;
    const count = this.#list(held, chosen);
    if (count > 0) this.#compute(layer, held, { count, tokens: 1 });
  }

  /** Several tokens' experts, all of which are in memory. `chosen`: [k, tokens]; output i goes to row i. */
  runAll(layer: number, chosen: Int32Array, tokens: number): void {
    const held = this.#model.bank.layers[layer] as LayerExperts;
    this.#list(held, chosen);
    this.#compute(layer, held, { count: chosen.length / tokens, tokens });
  }

  /** Writes the places of those in memory, in the stack and in the output. → how many they are */
  #list({ slotOf }: LayerExperts, chosen: Int32Array): number {
    const { ids, slots } = this.#lists.views;
    let count = 0;
    for (let slot = 0; slot < chosen.length; slot++) {
      const place = slotOf[chosen[slot] as number] ?? -1;
      if (place < 0) continue;
      ids[count] = place;
      slots[count] = BigInt(slot);
      count++;
    }
    return count;
  }

  #compute(layer: number, held: LayerExperts, shape: StepShape): void {
    const key = `${layer} ${shape.count} ${shape.tokens}`;
    const step = this.#steps.get(key) ?? this.#prepare(held, shape);
    this.#steps.set(key, step);
    this.#model.backend.computePlan(step.plan);
  }

  #prepare(held: LayerExperts, shape: StepShape): Step {
    const { native, backend } = this.#model;
    const g = this.#record(held, shape);
    const key = `${held.stack.kind} ${shape.count} ${shape.tokens}`;
    const allocator = this.#allocators.get(key) ?? native.ggml.ggml_gallocr_new(backend.bufferType);
    this.#allocators.set(key, allocator);
    native.ggml.ggml_gallocr_alloc_graph(allocator, g.graph);
    return { g, plan: backend.plan(g.graph) };
  }

  #record({ stack }: LayerExperts, { count, tokens }: StepShape): GraphBuilder {
    const { native, transformer, hyper } = this.#model;
    const { ids, slots } = this.#lists.tensors;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    const rowBytes = hyper.hidden * Float32Array.BYTES_PER_ELEMENT;
    const x = g.view3d(this.#tensors.input, [hyper.hidden, 1, tokens], [rowBytes, rowBytes], 0);
    const chosen = g.reshape2d(g.view1d(ids, count * tokens, 0), count, tokens);
    const outputs = transformer.chosenExperts(g, stack, x, chosen); // [hidden, count, tokens]
    const rows = g.reshape2d(outputs, hyper.hidden, count * tokens);
    g.expand(g.setRows(this.#tensors.rows, rows, g.view1d(slots, count * tokens, 0)));
    return g;
  }

  [Symbol.dispose](): void {
    const { native, backend } = this.#model;
    for (const { g, plan } of this.#steps.values()) {
      backend.freePlan(plan);
      g[Symbol.dispose]();
    }
    for (const allocator of this.#allocators.values()) native.ggml.ggml_gallocr_free(allocator);
    this.#lists[Symbol.dispose]();
  }
}

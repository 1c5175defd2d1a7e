import { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import { type HyperParameters, NODES_PER_BLOCK } from "../model/architecture.ts";
import { recordAttention, recordDense, windowSpan } from "./block-graph.ts";
import { blockScope, blocksOf, combineExperts, layerOf, type Runtime } from "./runtime.ts";

export interface LayerShape {
  /** Tokens that are computed together. */
  readonly rows: number;
  /** Rows of the cache that attention looks at. */
  readonly span: number;
}

/**
 * The graphs of a pass that is cut after every gate, so that JavaScript sees the chosen experts and has them computed:
 * everything but the routed experts. Built once for a shape and run many times.
 */
export class LayerGraphs implements Disposable {
  readonly io: NamedTensors<ReturnType<typeof layerBuffers>>;
  readonly #runtime: Runtime;
  readonly #shape: LayerShape;
  readonly #allocator: GraphAllocator;
  /** By layer: join of the layer before, attention and gate. The last one: join and head. */
  readonly #steps: readonly PreparedGraph[];
  /** The shared experts by layer; empty if the model has none. */
  readonly #shared: readonly PreparedGraph[];

  constructor(runtime: Runtime, shape: LayerShape) {
    const { native, hyper, backend } = runtime;
    this.#runtime = runtime;
    this.#shape = shape;
    this.io = new NamedTensors(native, backend.bufferType, layerBuffers(hyper, shape));
    this.#allocator = native.ggml.ggml_gallocr_new(backend.bufferType);
    const layers = Array.from({ length: hyper.layers }, (_, layer) => layer);
    const steps = [...layers.map((layer) => this.#recordLayer(layer)), this.#recordHead()];
    const shared = layers.flatMap((layer) => this.#recordShared(layer) ?? []);
    const prepared = this.#prepare([...steps, ...shared]);
    this.#steps = prepared.slice(0, steps.length);
    this.#shared = prepared.slice(steps.length);
  }

  /** Attention and gate of a layer, after what comes before it. */
  computeGate(layer: number): void {
    this.#compute(this.#steps[layer]);
  }

  /** The shared experts of a layer, if the model has any. */
  computeShared(layer: number): void {
    this.#compute(this.#shared[layer]);
  }

  /** What follows the last layer's experts. */
  computeHead(): void {
    this.#compute(this.#steps.at(-1));
  }

  #compute(graph: PreparedGraph | undefined): void {
    if (graph !== undefined) this.#runtime.backend.computePlan(graph.plan);
  }

  /** Join of the layer before, blocks without experts, then attention and gate of the layer's own block. */
  #recordLayer(layer: number): GraphBuilder {
    const { native, transformer, hyper, weights } = this.#runtime;
    const inputs = this.io.tensors;
    const blocks = blocksOf(hyper, layer);
    const g = new GraphBuilder(native, NODES_PER_BLOCK * (blocks.length + 1));
    const { rows: tokens, span } = this.#shape;
    const shape = { tokens, span, byHead: tokens === 1 };
    let x = layer === 0 ? transformer.embed(g, weights, inputs.tokens, inputs.positions) : this.#join(g);
    for (const block of blocks) {
      const h = g.add(recordAttention(g, this.#runtime, block, { x, inputs, shape }), x);
      x = layerOf(hyper, block) === null ? recordDense(g, this.#runtime, block, h) : this.io.pin(g, h, "h");
    }
    const gate = transformer.gate(g, blockScope(this.#runtime, hyper.moeBlocks[layer] as number), x);
    this.io.pin(g, gate.input, "input");
    this.io.pin(g, tensorSource(gate.chosen, 0), "sort");
    g.expand(this.io.pin(g, gate.weights, "weights"));
    return g;
  }

  /** The shared experts of a layer; `null` if the model has none. */
  #recordShared(layer: number): GraphBuilder | null {
    const { native, transformer, hyper } = this.#runtime;
    if (transformer.shared === null) return null;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    const scope = blockScope(this.#runtime, hyper.moeBlocks[layer] as number);
    g.expand(this.io.pin(g, transformer.shared(g, scope, this.io.tensors.input), "shared"));
    return g;
  }

  #join(g: GraphBuilder): Tensor {
    const { transformer, hyper } = this.#runtime;
    const { shared, ...joined } = this.io.tensors;
    return combineExperts(g, hyper, { ...joined, shared: transformer.shared && shared }, this.#shape.rows);
  }

  #recordHead(): GraphBuilder {
    const { native, transformer, weights } = this.#runtime;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    g.expand(this.io.pin(g, transformer.head(g, weights, this.#join(g)), "logits"));
    return g;
  }

  /**
   * The graphs share one scratch memory. All are measured before any is placed: placing a larger graph later would
   * move the memory under the earlier ones.
   */
  #prepare(builders: readonly GraphBuilder[]): PreparedGraph[] {
    const { native, backend } = this.#runtime;
    for (const { graph } of builders) native.ggml.ggml_gallocr_reserve(this.#allocator, graph);
    for (const { graph } of builders) native.ggml.ggml_gallocr_alloc_graph(this.#allocator, graph);
    return builders.map((g) => ({ g, plan: backend.plan(g.graph) }));
  }

  [Symbol.dispose](): void {
    const { native, backend } = this.#runtime;
    for (const { g, plan } of [...this.#steps, ...this.#shared]) {
      backend.freePlan(plan);
      g[Symbol.dispose]();
    }
    native.ggml.ggml_gallocr_free(this.#allocator);
    this.io[Symbol.dispose]();
  }
}

interface PreparedGraph {
  readonly g: GraphBuilder;
  readonly plan: GraphPlan;
}

/** What the graphs read and write. */
export function layerBuffers(hyper: HyperParameters, { rows, span }: LayerShape) {
  const { hidden, experts, expertsPerToken: k, vocabulary } = hyper;
  return {
    tokens: i32(rows),
    positions: i32(rows),
    cacheRows: i64(rows),
    mask: f16(span, rows),
    windowMask: f16(windowSpan(hyper, span), rows),
    h: f32(hidden, rows),
    input: f32(hidden, rows),
    shared: f32(hidden, rows),
    sort: i32(experts, rows),
    weights: f32(k, rows),
    /** Expert outputs in the gate's order. */
    rows: f32(hidden, k * rows),
    logits: f32(vocabulary, rows),
  };
}

import { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import { type HyperParameters, NODES_PER_BLOCK } from "../model/architecture.ts";
import { recordAttention, recordDense, windowSpan } from "./block-graph.ts";
import { ChosenExperts } from "./chosen-experts.ts";
import { dispatchExperts } from "./expert-dispatch.ts";
import { fillCausalMask } from "./mask.ts";
import {
  blockScope,
  blocksOf,
  combineExperts,
  layerOf,
  type PassOptions,
  type RemoteExperts,
  type Runtime,
} from "./runtime.ts";

/** What attention and gate of one layer leave behind for one token; see {@link LayeredPass.finish}. */
export interface GateResult {
  /** The residual stream and the experts' input: [hidden] */
  readonly h: Float32Array;
  readonly input: Float32Array;
  /** [k] */
  readonly chosen: Int32Array;
  readonly weights: Float32Array;
}

/**
 * One token through the model, layer by layer: after every gate JavaScript sees the chosen experts, sends the rows of
 * experts that are elsewhere, computes the local ones meanwhile, and joins both in the gate's order. Gives the same
 * bits as {@link WholePass}: each expert's row is computed by the same kernel, and the sum runs in the same order.
 */
export class LayeredPass implements Disposable {
  /** Of the token: [vocabulary]. Overwritten by the next run. */
  readonly logits: Float32Array;
  readonly #runtime: Runtime;
  readonly #span: number;
  readonly #io: NamedTensors<ReturnType<typeof layeredBuffers>>;
  /** The gate's choice, for JavaScript: [k] */
  readonly #chosen: Int32Array;
  readonly #allocator: GraphAllocator;
  /** By layer: join of the layer before, attention and gate. The last one: join and head. */
  readonly #steps: readonly PreparedGraph[];
  /** The shared experts by layer; empty if the model has none. */
  readonly #shared: readonly PreparedGraph[];
  readonly #local: ChosenExperts;

  constructor(runtime: Runtime, span: number) {
    const { native, hyper, backend } = runtime;
    this.#runtime = runtime;
    this.#span = span;
    this.#io = new NamedTensors(native, backend.bufferType, layeredBuffers(runtime.hyper, span));
    this.#chosen = new Int32Array(hyper.expertsPerToken);
    this.#local = new ChosenExperts(runtime, this.#io.tensors);
    this.logits = this.#io.views.logits;
    this.#allocator = native.ggml.ggml_gallocr_new(backend.bufferType);
    const layers = Array.from({ length: hyper.layers }, (_, layer) => layer);
    const steps = [...layers.map((layer) => this.#recordLayer(layer)), this.#recordHead()];
    const shared = layers.flatMap((layer) => this.#recordShared(layer) ?? []);
    const prepared = this.#prepare([...steps, ...shared]);
    this.#steps = prepared.slice(0, steps.length);
    this.#shared = prepared.slice(steps.length);
  }

  async run(token: number, position: number, { observe, remote }: PassOptions = {}): Promise<void> {
    this.#runtime.cache.prepare(this.#span);
    this.#io.views.token[0] = token;
    this.#io.views.positions[0] = position;
    this.#io.views.cacheRows[0] = BigInt(position);
    const rows = { span: this.#span, firstPosition: position, tokens: 1 };
    const { window } = this.#runtime.hyper;
    fillCausalMask(this.#io.views.mask, rows);
    if (window !== null) fillCausalMask(this.#io.views.windowMask, { ...rows, window: window.size });
    for (let layer = 0; layer < this.#runtime.hyper.layers; layer++) {
      this.#compute(this.#steps[layer] as PreparedGraph);
      this.#chosen.set(this.#io.views.sort.subarray(0, this.#chosen.length));
      observe?.(layer, this.#chosen);
      await this.#runExperts(layer, remote);
    }
    this.#compute(this.#steps.at(-1) as PreparedGraph);
  }

  /** Experts of the last layer and the head, for a token whose attention and gate were computed elsewhere. */
  async finish({ h, input, chosen, weights }: GateResult, remote?: RemoteExperts): Promise<void> {
    this.#io.views.h.set(h);
    this.#io.views.input.set(input);
    this.#chosen.set(chosen);
    this.#io.views.weights.set(weights);
    await this.#runExperts(this.#runtime.hyper.layers - 1, remote);
    this.#compute(this.#steps.at(-1) as PreparedGraph);
  }

  #runExperts(layer: number, remote: RemoteExperts | undefined): void | Promise<void> {
    const { input: inputs, rows: outputs, weights } = this.#io.views;
    const work = { layer, kernel: "decode", inputs, weights, outputs, chosen: this.#chosen } as const;
    const shared = this.#shared[layer];
    const local = (): void => {
      if (shared != null) this.#compute(shared);
      this.#local.run(layer, this.#chosen);
    };
    return dispatchExperts(this.#runtime, work, { remote, local });
  }

  /** Join of the layer before, blocks without experts, then attention and gate of the layer's own block. */
  #recordLayer(layer: number): GraphBuilder {
    const { native, transformer, hyper, weights } = this.#runtime;
    const inputs = this.#io.tensors;
    const blocks = blocksOf(hyper, layer);
    const g = new GraphBuilder(native, NODES_PER_BLOCK * (blocks.length + 1));
    const shape = { tokens: 1, span: this.#span, byHead: true };
    let x = layer === 0 ? transformer.embed(g, weights, inputs.token, inputs.positions) : this.#join(g);
    for (const block of blocks) {
      const h = g.add(recordAttention(g, this.#runtime, block, { x, inputs, shape }), x);
      x = layerOf(hyper, block) === null ? recordDense(g, this.#runtime, block, h) : this.#io.pin(g, h, "h");
    }
    const gate = transformer.gate(g, blockScope(this.#runtime, hyper.moeBlocks[layer] as number), x);
    this.#io.pin(g, gate.input, "input");
    this.#io.pin(g, tensorSource(gate.chosen, 0), "sort");
    g.expand(this.#io.pin(g, gate.weights, "weights"));
    return g;
  }

  /** The shared experts of a layer; `null` if the model has none. */
  #recordShared(layer: number): GraphBuilder | null {
    const { native, transformer, hyper } = this.#runtime;
    if (transformer.shared === null) return null;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    const scope = blockScope(this.#runtime, hyper.moeBlocks[layer] as number);
    g.expand(this.#io.pin(g, transformer.shared(g, scope, this.#io.tensors.input), "shared"));
    return g;
  }

  #join(g: GraphBuilder): Tensor {
    const { transformer, hyper } = this.#runtime;
    const { shared, ...joined } = this.#io.tensors;
    return combineExperts(g, hyper, { ...joined, shared: transformer.shared && shared }, 1);
  }

  #recordHead(): GraphBuilder {
    const { native, transformer, weights } = this.#runtime;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    g.expand(this.#io.pin(g, transformer.head(g, weights, this.#join(g)), "logits"));
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

  #compute({ plan }: PreparedGraph): void {
    this.#runtime.backend.computePlan(plan);
  }

  [Symbol.dispose](): void {
    const { native, backend } = this.#runtime;
    this.#local[Symbol.dispose]();
    for (const { g, plan } of [...this.#steps, ...this.#shared]) {
      backend.freePlan(plan);
      g[Symbol.dispose]();
    }
    native.ggml.ggml_gallocr_free(this.#allocator);
    this.#io[Symbol.dispose]();
  }
}

interface PreparedGraph {
  readonly g: GraphBuilder;
  readonly plan: GraphPlan;
}

/** What the graphs of a token read and write. */
export function layeredBuffers(hyper: HyperParameters, span: number) {
  const { hidden, experts, expertsPerToken: k, vocabulary } = hyper;
  return {
    token: i32(1),
    positions: i32(1),
    cacheRows: i64(1),
    mask: f16(span, 1),
    windowMask: f16(windowSpan(hyper, span), 1),
    h: f32(hidden, 1),
    input: f32(hidden, 1),
    shared: f32(hidden, 1),
    sort: i32(experts, 1),
    weights: f32(k, 1),
    /** Expert outputs in the gate's order. */
    rows: f32(hidden, k),
    logits: f32(vocabulary),
  };
}

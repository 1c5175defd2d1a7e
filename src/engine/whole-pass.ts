import { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import { type HyperParameters, NODES_PER_LAYER } from "../model/architecture.ts";
import { writeBatchInputs } from "./batch-inputs.ts";
import type { LayerExperts } from "./expert-bank.ts";
import type { BatchOptions } from "./pass-strategy.ts";
import { combineExperts, layerScope, type Runtime } from "./runtime.ts";

/** Size of a pass: how many tokens go in, and how many cached positions attention looks at. */
export interface PassShape {
  readonly tokens: number;
  readonly span: number;
  /** See {@link CachedAttention}; llama.cpp does not. */
  readonly byHead?: boolean;
}

/** Who sees the gates' choices, and whether the batch has the prompt's last token. */
type Observation = Pick<BatchOptions, "observe" | "observeUnused" | "isLast">;

/**
 * One forward pass through the whole model as a single graph, for a function that holds every expert: the same
 * operations in the same order as llama.cpp, so the same bits. Built once for a shape and run many times: only the
 * inputs change. The experts chosen in every layer are written where JavaScript can read them afterwards.
 */
export class WholePass implements Disposable {
  /** Of the last token: [vocabulary]. Overwritten by the next run. */
  readonly logits: Float32Array;
  readonly #runtime: Runtime;
  readonly #shape: PassShape;
  readonly #io: NamedTensors<ReturnType<typeof wholeBuffers>>;
  readonly #g: GraphBuilder;
  readonly #allocator: GraphAllocator;
  readonly #plan: GraphPlan;
  readonly #chosen: Int32Array;

  constructor(runtime: Runtime, shape: PassShape) {
    const { native, hyper, backend } = runtime;
    this.#runtime = runtime;
    this.#shape = shape;
    this.#io = new NamedTensors(native, backend.bufferType, wholeBuffers(runtime.hyper, shape));
    this.logits = this.#io.views.logits;
    this.#chosen = new Int32Array(hyper.expertsPerToken * shape.tokens);
    this.#g = new GraphBuilder(native, NODES_PER_LAYER * (hyper.layers + 1));
    this.#build();
    this.#allocator = native.ggml.ggml_gallocr_new(backend.bufferType);
    native.ggml.ggml_gallocr_alloc_graph(this.#allocator, this.#g.graph);
    this.#plan = backend.plan(this.#g.graph);
  }

  /** Tokens at consecutive positions, the first at `position`; fewer than the pass is made for are filled up. */
  run(tokens: readonly number[], position: number, options: Observation): void {
    const { span } = this.#shape;
    const { cache } = this.#runtime;
    cache.prepare(span);
    writeBatchInputs(this.#io.views, tokens, { position, span, spareRow: cache.spareRow });
    this.#runtime.backend.computePlan(this.#plan);
    this.#report(tokens.length, options);
  }

  #report(tokens: number, { observe, observeUnused, isLast }: Observation): void {
    const { sorts, unusedSort } = this.#io.views;
    const { experts, layers } = this.#runtime.hyper;
    for (let layer = 0; layer < layers - 1; layer++) {
      observe?.(layer, this.#chosenIn(sorts.subarray(layer * experts * this.#shape.tokens), tokens));
    }
    observeUnused?.(layers - 1, this.#chosenIn(unusedSort, isLast ? tokens - 1 : tokens));
    if (!isLast) return;
    observe?.(layers - 1, this.#chosenIn(sorts.subarray((layers - 1) * experts * this.#shape.tokens), 1));
  }

  /** The first k of every row of a sort. */
  #chosenIn(sort: Int32Array, rows: number): Int32Array {
    const { experts, expertsPerToken: k } = this.#runtime.hyper;
    for (let t = 0; t < rows; t++) {
      for (let j = 0; j < k; j++) this.#chosen[t * k + j] = sort[t * experts + j] as number;
    }
    return this.#chosen.subarray(0, rows * k);
  }

  /** After the last attention only the last token goes on: nobody reads the others. */
  #rowsIn(layer: number): number {
    return layer === this.#runtime.hyper.layers - 1 ? 1 : this.#shape.tokens;
  }

  #build(): void {
    const { architecture, hyper, weight } = this.#runtime;
    const g = this.#g;
    let x = architecture.embed(g, weight, this.#io.tensors.tokens);
    for (let layer = 0; layer < hyper.layers; layer++) {
      x = this.#buildExperts(layer, this.#buildAttention(layer, x));
    }
    g.expand(this.#io.pin(g, architecture.head(g, weight, x, hyper), "logits"));
  }

  /** → the residual stream after attention: [hidden, rows of this layer] */
  #buildAttention(layer: number, x: Tensor): Tensor {
    const { architecture, cache } = this.#runtime;
    const g = this.#g;
    const io = this.#io.tensors;
    const scope = layerScope(this.#runtime, layer);
    const qkv = architecture.project(g, scope, x, io.positions);
    g.expand(qkv.q);
    cache.write(g, layer, qkv, io.cacheRows, this.#shape.tokens);
    const cached = cache.read(g, layer, this.#shape.span);
    const { tokens, byHead = false } = this.#shape;
    const attended = architecture.attend(g, scope, { q: qkv.q, ...cached, mask: io.mask, tokens, byHead });
    if (this.#rowsIn(layer) === this.#shape.tokens) return g.add(attended, x);
    const unused = architecture.gate(g, scope, g.add(attended, x));
    g.expand(this.#io.pin(g, tensorSource(unused.chosen, 0), "unusedSort"));
    return g.add(g.getRows(attended, io.outRow), g.getRows(x, io.outRow));
  }

  #buildExperts(layer: number, h: Tensor): Tensor {
    const { architecture, hyper, bank } = this.#runtime;
    const g = this.#g;
    const rows = this.#rowsIn(layer);
    const gate = architecture.gate(g, layerScope(this.#runtime, layer), h);
    const sortBytes = hyper.experts * this.#shape.tokens * Int32Array.BYTES_PER_ELEMENT;
    this.#io.pin(g, tensorSource(gate.chosen, 0), "sorts", layer * sortBytes);
    g.expand(gate.weights);
    const { stack } = bank.layers[layer] as LayerExperts;
    const input = g.reshape3d(gate.input, hyper.hidden, 1, rows);
    const outputs = architecture.chosenExperts(g, stack, input, gate.chosen); // [hidden, k, rows]
    return combineExperts(g, hyper, { rows: outputs, weights: gate.weights, h }, rows);
  }

  [Symbol.dispose](): void {
    const { native, backend } = this.#runtime;
    backend.freePlan(this.#plan);
    native.ggml.ggml_gallocr_free(this.#allocator);
    this.#g[Symbol.dispose]();
    this.#io[Symbol.dispose]();
  }
}

/** What the graph reads and writes. */
export function wholeBuffers(hyper: HyperParameters, { tokens, span }: PassShape) {
  return {
    tokens: i32(tokens),
    positions: i32(tokens),
    cacheRows: i64(tokens),
    mask: f16(span, tokens),
    outRow: i32(1),
    logits: f32(hyper.vocabulary),
    /** The gate's full sort in every layer, one behind the other; in the last one only of the last token. */
    sorts: i32(hyper.experts, tokens, hyper.layers),
    /** That of every token in the last layer: see `observeUnused`. */
    unusedSort: i32(hyper.experts, tokens),
  };
}

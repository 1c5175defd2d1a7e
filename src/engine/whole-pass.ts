import { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, GraphPlan, Tensor } from "../ggml/signatures.ts";
import { type HyperParameters, NODES_PER_BLOCK } from "../model/architecture.ts";
import { writeBatchInputs } from "./batch-inputs.ts";
import { recordAttention, recordDense, windowSpan } from "./block-graph.ts";
import type { LayerExperts } from "./expert-bank.ts";
import type { BatchOptions } from "./pass-strategy.ts";
import { blockScope, combineExperts, layerOf, type Runtime } from "./runtime.ts";

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
    this.#g = new GraphBuilder(native, NODES_PER_BLOCK * (hyper.blocks + 1));
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
    const { window } = this.#runtime.hyper;
    writeBatchInputs(this.#io.views, tokens, { position, span, spareRow: cache.spareRow, window });
    this.#runtime.backend.computePlan(this.#plan);
    this.#report(tokens.length, options);
  }

  #report(tokens: number, { observe, observeUnused, isLast }: Observation): void {
    const { sorts, unusedSort } = this.#io.views;
    const { experts, layers } = this.#runtime.hyper;
    for (let layer = 0; layer < layers - 1; layer++) {
      observe?.(layer, this.#chosenIn(sorts.subarray(layer * experts * this.#shape.tokens), tokens));
    }
    const last = sorts.subarray((layers - 1) * experts * this.#shape.tokens);
    const isCut = this.#runtime.transformer.cutsLastBlock;
    observeUnused?.(layers - 1, this.#chosenIn(isCut ? unusedSort : last, isLast ? tokens - 1 : tokens));
    if (!isLast) return;
    const ofLastToken = isCut ? last : last.subarray((tokens - 1) * experts);
    observe?.(layers - 1, this.#chosenIn(ofLastToken, 1));
  }

  /** The first k of every row of a sort. */
  #chosenIn(sort: Int32Array, rows: number): Int32Array {
    const { experts, expertsPerToken: k } = this.#runtime.hyper;
    for (let t = 0; t < rows; t++) {
      for (let j = 0; j < k; j++) this.#chosen[t * k + j] = sort[t * experts + j] as number;
    }
    return this.#chosen.subarray(0, rows * k);
  }

  /** After the last attention only the last token goes on, where nobody reads the others. */
  #rowsIn(block: number): number {
    const { transformer, hyper } = this.#runtime;
    return transformer.cutsLastBlock && block === hyper.blocks - 1 ? 1 : this.#shape.tokens;
  }

  #build(): void {
    const { transformer, hyper, weights } = this.#runtime;
    const g = this.#g;
    const { tokens, positions, outRow } = this.#io.tensors;
    let x = transformer.embed(g, weights, tokens, positions);
    for (let block = 0; block < hyper.blocks; block++) {
      const h = this.#buildAttention(block, x);
      const layer = layerOf(hyper, block);
      x = layer === null ? recordDense(g, this.#runtime, block, h) : this.#buildExperts(block, layer, h);
    }
    const last = this.#rowsIn(hyper.blocks - 1) === 1 ? x : g.getRows(x, outRow);
    g.expand(this.#io.pin(g, transformer.head(g, weights, last), "logits"));
  }

  /** → the residual stream after attention: [hidden, rows of this block] */
  #buildAttention(block: number, x: Tensor): Tensor {
    const g = this.#g;
    const inputs = this.#io.tensors;
    const { byHead = false, ...shape } = this.#shape;
    const attended = recordAttention(g, this.#runtime, block, { x, inputs, shape: { ...shape, byHead } });
    if (this.#rowsIn(block) === this.#shape.tokens) return g.add(attended, x);
    const scope = blockScope(this.#runtime, block);
    const unused = this.#runtime.transformer.gate(g, scope, g.add(attended, x));
    g.expand(this.#io.pin(g, tensorSource(unused.chosen, 0), "unusedSort"));
    return g.add(g.getRows(attended, inputs.outRow), g.getRows(x, inputs.outRow));
  }

  #buildExperts(block: number, layer: number, h: Tensor): Tensor {
    const { transformer, hyper, bank } = this.#runtime;
    const g = this.#g;
    const tokens = this.#rowsIn(block);
    const scope = blockScope(this.#runtime, block);
    const { input, chosen, weights } = transformer.gate(g, scope, h);
    const sortBytes = hyper.experts * this.#shape.tokens * Int32Array.BYTES_PER_ELEMENT;
    this.#io.pin(g, tensorSource(chosen, 0), "sorts", layer * sortBytes);
    g.expand(weights);
    const { stack } = bank.layers[layer] as LayerExperts;
    const rows = transformer.chosenExperts(g, stack, g.reshape3d(input, hyper.hidden, 1, tokens), chosen); // [hidden, k, rows]
    const shared = transformer.shared?.(g, scope, input) ?? null;
    return combineExperts(g, hyper, { rows, weights, shared, h }, tokens);
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
    windowMask: f16(windowSpan(hyper, span), tokens),
    outRow: i32(1),
    logits: f32(hyper.vocabulary),
    /** The gate's full sort in every layer, one behind the other; in the last one only of the last token. */
    sorts: i32(hyper.experts, tokens, hyper.layers),
    /** That of every token in the last layer: see `observeUnused`. */
    unusedSort: i32(hyper.experts, tokens),
  };
}

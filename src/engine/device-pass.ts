import type { DeviceBackend } from "../ggml/device.ts";
import { DeviceTensors } from "../ggml/device-tensors.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { GraphAllocator, Tensor } from "../ggml/signatures.ts";
import { NODES_PER_BLOCK } from "../model/architecture.ts";
import { type BatchInputs, writeBatchInputs } from "./batch-inputs.ts";
import { recordAttention, recordDense, windowSpan } from "./block-graph.ts";
import { ChosenExperts } from "./chosen-experts.ts";
import { dispatchExperts } from "./expert-dispatch.ts";
import { ExpertRunner } from "./expert-runner.ts";
import { Lanes } from "./lanes.ts";
import type { BatchOptions } from "./pass-strategy.ts";
import { routeRows } from "./routing.ts";
import {
  blockScope,
  blocksOf,
  combineExperts,
  type ExpertKernel,
  layerOf,
  type PassOptions,
  type Runtime,
} from "./runtime.ts";
import type { PassShape } from "./whole-pass.ts";

/**
 * A pass with everything but the experts on a device: attention, gate and head are graphs there, the experts' input
 * comes to the host after every gate, and their outputs go back. Experts are most of a model's bytes and, for one
 * token, little of its work: they stay in the cheap memory.
 */
export class DevicePass implements Disposable {
  /** Of the last token: [vocabulary]. Overwritten by the next run. */
  readonly logits: Float32Array;
  readonly #runtime: Runtime;
  readonly #device: DeviceBackend;
  readonly #shape: PassShape;
  readonly #io: DeviceTensors<ReturnType<typeof inputsAndResults>>;
  readonly #host: NamedTensors<ReturnType<typeof hostCopies>>;
  readonly #sort: Int32Array;
  readonly #allocator: GraphAllocator;
  /** By layer: join of the layer before, attention and gate. The last one: join and head. */
  readonly #steps: readonly GraphBuilder[];
  readonly #lanes: Lanes;
  readonly #grouped: ExpertRunner;
  readonly #single: ChosenExperts;

  constructor(runtime: Runtime, device: DeviceBackend, shape: PassShape) {
    const { native, hyper, backend } = runtime;
    const { experts, layers, vocabulary } = hyper;
    this.#runtime = runtime;
    this.#device = device;
    this.#shape = shape;
    this.logits = new Float32Array(vocabulary);
    this.#io = new DeviceTensors(native, device.bufferType, inputsAndResults(runtime, shape));
    this.#host = new NamedTensors(native, backend.bufferType, hostCopies(runtime, shape));
    this.#sort = new Int32Array(experts * shape.tokens);
    this.#lanes = new Lanes(native, runtime.threads);
    this.#grouped = new ExpertRunner(native, runtime.transformer, shape.tokens);
    this.#single = new ChosenExperts(runtime, this.#host.tensors);
    this.#allocator = native.ggml.ggml_gallocr_new(device.bufferType);
    const recorded = Array.from({ length: layers }, (_, layer) => this.#recordLayer(layer));
    this.#steps = [...recorded, this.#recordHead()];
    // All are measured before any is placed: see LayeredPass.
    for (const { graph } of this.#steps) native.ggml.ggml_gallocr_reserve(this.#allocator, graph);
    for (const { graph } of this.#steps) native.ggml.ggml_gallocr_alloc_graph(this.#allocator, graph);
  }

  /** Tokens at consecutive positions, the first at `position`; fewer than the pass is made for are filled up. */
  async run(tokens: readonly number[], position: number, { isLast, ...options }: BatchOptions): Promise<void> {
    this.#enter(tokens, position);
    const { layers } = this.#runtime.hyper;
    for (const [layer, step] of this.#steps.slice(0, -1).entries()) {
      this.#device.compute(step.graph);
      if (layer === layers - 1) {
        options.observeUnused?.(layer, this.#downloadChosen("unusedSort", isLast ? tokens.length - 1 : tokens.length));
        if (!isLast) return;
      }
      await this.#runExperts(layer, Math.min(tokens.length, this.#rowsIn(layer)), options);
    }
    this.#device.compute((this.#steps.at(-1) as GraphBuilder).graph);
    this.#io.download("logits", this.logits);
  }

  #enter(tokens: readonly number[], position: number): void {
    const { tokens: room, span } = this.#shape;
    const inputs: BatchInputs = {
      tokens: new Int32Array(room),
      positions: new Int32Array(room),
      cacheRows: new BigInt64Array(room),
      mask: new Uint16Array(span * room),
      windowMask: new Uint16Array(windowSpan(this.#runtime.hyper, span) * room),
      outRow: new Int32Array(1),
    };
    const { cache, hyper } = this.#runtime;
    writeBatchInputs(inputs, tokens, { position, span, spareRow: cache.spareRow, window: hyper.window });
    for (const [name, values] of Object.entries(inputs)) this.#io.upload(name as keyof BatchInputs, values);
  }

  async #runExperts(layer: number, rows: number, { observe, remote }: PassOptions): Promise<void> {
    const { input: inputs, weights, rows: outputs } = this.#host.views;
    const { hidden, expertsPerToken: k } = this.#runtime.hyper;
    const ownWeights = weights.subarray(0, k * rows);
    this.#io.download("input", inputs.subarray(0, hidden * rows));
    if (remote !== undefined) this.#io.download("weights", ownWeights);
    const chosen = this.#downloadChosen("sort", rows);
    observe?.(layer, chosen);
    const kernel = rows === 1 ? "decode" : "prefill";
    await dispatchExperts(
      this.#runtime,
      { layer, kernel, inputs, weights, outputs, chosen },
      { remote, local: (isHere, isAlone) => this.#runLocal(layer, kernel, { chosen, isHere, isAlone }) },
    );
    this.#io.upload("rows", outputs.subarray(0, hidden * k * rows));
    if (remote !== undefined) this.#io.upload("weights", ownWeights);
  }

  #runLocal(layer: number, kernel: ExpertKernel, { chosen, isHere, isAlone }: LocalWork): void | Promise<void> {
    if (kernel === "decode") return this.#single.run(layer, chosen);
    const lanes = isAlone ? this.#lanes : this.#lanes.beside;
    const { hyper, bank } = this.#runtime;
    const rows = routeRows(chosen, hyper.expertsPerToken, isHere);
    const { input, rows: output } = this.#host.tensors;
    return this.#grouped.run({ kernel, rows, input, output, holder: bank.holderIn(layer) }, lanes);
  }

  #downloadChosen(name: "sort" | "unusedSort", rows: number): Int32Array {
    const { experts, expertsPerToken: k } = this.#runtime.hyper;
    this.#io.download(name, this.#sort.subarray(0, experts * rows));
    const chosen = new Int32Array(k * rows);
    for (let t = 0; t < rows; t++) chosen.set(this.#sort.subarray(t * experts, t * experts + k), t * k);
    return chosen;
  }

  /** After the last attention only the last token goes on. */
  #rowsIn(layer: number): number {
    return layer === this.#runtime.hyper.layers - 1 ? 1 : this.#shape.tokens;
  }

  #recordLayer(layer: number): GraphBuilder {
    const { native, hyper } = this.#runtime;
    const blocks = blocksOf(hyper, layer);
    const g = new GraphBuilder(native, NODES_PER_BLOCK * (blocks.length + 1));
    let x = this.#layerInput(g, layer);
    for (const block of blocks) {
      const attended = this.#recordAttention(g, block, x);
      if (layerOf(hyper, block) === null) x = recordDense(g, this.#runtime, block, g.add(attended, x));
      else this.#recordGate(g, layer, { attended, x });
    }
    return g;
  }

  #recordAttention(g: GraphBuilder, block: number, x: Tensor): Tensor {
    const shape = { ...this.#shape, byHead: false };
    return recordAttention(g, this.#runtime, block, { x, inputs: this.#io.tensors, shape });
  }

  /** `x`: the residual stream before attention */
  #recordGate(
    g: GraphBuilder,
    layer: number,
    { attended, x }: { readonly attended: Tensor; readonly x: Tensor },
  ): void {
    const { transformer, hyper } = this.#runtime;
    const scope = blockScope(this.#runtime, hyper.moeBlocks[layer] as number);
    const keepsAll = this.#rowsIn(layer) === this.#shape.tokens;
    if (!keepsAll) {
      const unused = transformer.gate(g, scope, g.add(attended, x));
      g.expand(this.#io.pin(g, tensorSource(unused.chosen, 0), "unusedSort"));
    }
    const keep = (rows: Tensor): Tensor => (keepsAll ? rows : g.getRows(rows, this.#io.tensors.outRow));
    const h = this.#io.pin(g, g.add(keep(attended), keep(x)), "h");
    const gate = transformer.gate(g, scope, h);
    this.#io.pin(g, gate.input, "input");
    this.#io.pin(g, tensorSource(gate.chosen, 0), "sort");
    g.expand(this.#io.pin(g, gate.weights, "weights"));
    if (transformer.shared !== null) g.expand(this.#io.pin(g, transformer.shared(g, scope, gate.input), "shared"));
  }

  #layerInput(g: GraphBuilder, layer: number): Tensor {
    const { transformer, weights } = this.#runtime;
    const { tokens, positions } = this.#io.tensors;
    return layer === 0 ? transformer.embed(g, weights, tokens, positions) : this.#join(g, this.#shape.tokens);
  }

  #recordHead(): GraphBuilder {
    const { native, transformer, weights } = this.#runtime;
    const g = new GraphBuilder(native, NODES_PER_BLOCK);
    g.expand(this.#io.pin(g, transformer.head(g, weights, this.#join(g, 1)), "logits"));
    return g;
  }

  /** What the layer before leaves, of the first `tokens` rows. */
  #join(g: GraphBuilder, tokens: number): Tensor {
    const { hyper, transformer } = this.#runtime;
    const { rows, weights, shared, h } = this.#io.tensors;
    const first = (x: Tensor, count: number, width: number): Tensor =>
      g.view2d(x, [width, count], width * Float32Array.BYTES_PER_ELEMENT, 0);
    const { hidden, expertsPerToken: k } = hyper;
    const parts = {
      rows: first(rows, k * tokens, hidden),
      weights: first(weights, tokens, k),
      shared: transformer.shared && first(shared, tokens, hidden),
      h: first(h, tokens, hidden),
    };
    return combineExperts(g, hyper, parts, tokens);
  }

  [Symbol.dispose](): void {
    this.#runtime.native.ggml.ggml_gallocr_free(this.#allocator);
    for (const part of [...this.#steps, this.#single, this.#grouped, this.#lanes, this.#host, this.#io]) {
      part[Symbol.dispose]();
    }
  }
}

function inputsAndResults({ hyper }: Runtime, { tokens, span }: PassShape) {
  const { hidden, experts, expertsPerToken: k, vocabulary } = hyper;
  return {
    tokens: i32(tokens),
    positions: i32(tokens),
    cacheRows: i64(tokens),
    outRow: i32(1),
    mask: f16(span, tokens),
    windowMask: f16(windowSpan(hyper, span), tokens),
    h: f32(hidden, tokens),
    input: f32(hidden, tokens),
    shared: f32(hidden, tokens),
    sort: i32(experts, tokens),
    /** Every token's in the last layer: see `observeUnused`. */
    unusedSort: i32(experts, tokens),
    weights: f32(k, tokens),
    rows: f32(hidden, k * tokens),
    logits: f32(vocabulary),
  };
}

/** What experts and gate of one layer exchange with the device. */
function hostCopies({ hyper }: Runtime, { tokens }: PassShape) {
  const { hidden, expertsPerToken: k } = hyper;
  return { input: f32(hidden, tokens), weights: f32(k, tokens), rows: f32(hidden, k * tokens) };
}

/** A layer's rows, of which some are here. */
interface LocalWork {
  readonly chosen: Int32Array;
  readonly isHere: (expert: number) => boolean;
  readonly isAlone: boolean;
}

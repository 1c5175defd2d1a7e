import { ChosenExperts } from "./chosen-experts.ts";
import { dispatchExperts } from "./expert-dispatch.ts";
import { LayerGraphs } from "./layer-graphs.ts";
import { fillCausalMask } from "./mask.ts";
import type { PassOptions, RemoteExperts, Runtime } from "./runtime.ts";

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
  readonly #graphs: LayerGraphs;
  /** The gate's choice, for JavaScript: [k] */
  readonly #chosen: Int32Array;
  readonly #local: ChosenExperts;

  constructor(runtime: Runtime, span: number) {
    this.#runtime = runtime;
    this.#span = span;
    this.#graphs = new LayerGraphs(runtime, { rows: 1, span });
    this.#chosen = new Int32Array(runtime.hyper.expertsPerToken);
    this.#local = new ChosenExperts(runtime, this.#graphs.io.tensors);
    this.logits = this.#graphs.io.views.logits;
  }

  async run(token: number, position: number, { observe, remote }: PassOptions = {}): Promise<void> {
    const { cache, hyper } = this.#runtime;
    const { views } = this.#graphs.io;
    cache.prepare(this.#span);
    views.tokens[0] = token;
    views.positions[0] = position;
    views.cacheRows[0] = BigInt(position);
    const rows = { span: this.#span, firstPosition: position, tokens: 1 };
    fillCausalMask(views.mask, rows);
    if (hyper.window !== null) fillCausalMask(views.windowMask, { ...rows, window: hyper.window.size });
    for (let layer = 0; layer < hyper.layers; layer++) {
      this.#graphs.computeGate(layer);
      this.#chosen.set(views.sort.subarray(0, this.#chosen.length));
      observe?.(layer, this.#chosen);
      await this.#runExperts(layer, remote);
    }
    this.#graphs.computeHead();
  }

  /** Experts of the last layer and the head, for a token whose attention and gate were computed elsewhere. */
  async finish({ h, input, chosen, weights }: GateResult, remote?: RemoteExperts): Promise<void> {
    const { views } = this.#graphs.io;
    views.h.set(h);
    views.input.set(input);
    this.#chosen.set(chosen);
    views.weights.set(weights);
    await this.#runExperts(this.#runtime.hyper.layers - 1, remote);
    this.#graphs.computeHead();
  }

  #runExperts(layer: number, remote: RemoteExperts | undefined): void | Promise<void> {
    const { input: inputs, rows: outputs, weights } = this.#graphs.io.views;
    const work = { layer, kernel: "decode", inputs, weights, outputs, chosen: this.#chosen } as const;
    const local = (): void => {
      this.#graphs.computeShared(layer);
      this.#local.run(layer, this.#chosen);
    };
    return dispatchExperts(this.#runtime, work, { remote, local });
  }

  [Symbol.dispose](): void {
    this.#local[Symbol.dispose]();
    this.#graphs[Symbol.dispose]();
  }
}

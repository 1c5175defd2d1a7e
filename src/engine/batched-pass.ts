import type { NamedTensors } from "../ggml/named-tensors.ts";
import { ChosenExperts } from "./chosen-experts.ts";
import { sendElsewhere, whoIsHere } from "./expert-dispatch.ts";
import type { ExpertRunner } from "./expert-runner.ts";
import type { Lanes } from "./lanes.ts";
import { LayerGraphs, type LayerShape, type layerBuffers } from "./layer-graphs.ts";
import { fillCausalMask } from "./mask.ts";
import type { DecodeResult, DecodeStep } from "./pass-strategy.ts";
import { routeRows } from "./routing.ts";
import type { Runtime } from "./runtime.ts";

/** Computes rows of a batch whose experts are only in part in this function. */
export interface GroupedExperts {
  readonly runner: ExpertRunner;
  readonly lanes: Lanes;
}

/**
 * The next token of several sequences, layer by layer like {@link LayeredPass}. Rows are filled up to whole tiles of the
 * matrix kernels and every expert's row is computed by itself: what a sequence gets does not depend on the others, nor
 * on how many there are.
 */
export class BatchedPass implements Disposable {
  readonly #runtime: Runtime;
  readonly #shape: LayerShape;
  readonly #graphs: LayerGraphs;
  readonly #experts: ChosenExperts;
  readonly #grouped: GroupedExperts;

  /** `shape.rows`: a multiple of {@link ROW_TILE} */
  constructor(runtime: Runtime, shape: LayerShape, grouped: GroupedExperts) {
    this.#runtime = runtime;
    this.#shape = shape;
    this.#grouped = grouped;
    this.#graphs = new LayerGraphs(runtime, shape);
    this.#experts = new ChosenExperts(runtime, this.#graphs.io.tensors, shape.rows);
  }

  /** At most as many steps as there are rows. One whose remote experts fail does not disturb the others. */
  async run(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    const { hyper } = this.#runtime;
    const failures = new Map<DecodeStep, unknown>();
    this.#enter(steps);
    for (let layer = 0; layer < hyper.layers; layer++) {
      this.#graphs.computeGate(layer);
      const chosen = this.#chosen(steps.length);
      for (const [i, step] of steps.entries()) step.observe?.(layer, this.#rowOf(chosen, i));
      await this.#runExperts(layer, chosen, { steps, failures });
    }
    this.#graphs.computeHead();
    return steps.map((step, i) => {
      if (failures.has(step)) return { error: failures.get(step) };
      return { logits: this.#views.logits.subarray(i * hyper.vocabulary, (i + 1) * hyper.vocabulary) };
    });
  }

  get #views(): NamedTensors<ReturnType<typeof layerBuffers>>["views"] {
    return this.#graphs.io.views;
  }

  /** Rows that only fill the tile repeat the last step, write to the spare row and see a single position. */
  #enter(steps: readonly DecodeStep[]): void {
    const { cache, hyper } = this.#runtime;
    const { rows, span } = this.#shape;
    for (const { region } of steps) cache.prepare(region.rows, region.first);
    for (let row = 0; row < rows; row++) {
      const isOwn = row < steps.length;
      const { token, position, region } = steps[Math.min(row, steps.length - 1)] as DecodeStep;
      this.#views.tokens[row] = token;
      this.#views.positions[row] = position;
      this.#views.cacheRows[row] = BigInt(isOwn ? region.first + position : cache.spareRow);
      const seen = { span, first: region.first, firstPosition: isOwn ? position : 0, tokens: 1 };
      fillCausalMask(this.#views.mask.subarray(row * span), seen);
      if (hyper.window === null) continue;
      fillCausalMask(this.#views.windowMask.subarray(row * span), { ...seen, window: hyper.window.size });
    }
  }

  /** The first k of every step's sorted experts: [k, steps] */
  #chosen(steps: number): Int32Array {
    const { experts, expertsPerToken: k } = this.#runtime.hyper;
    const chosen = new Int32Array(k * steps);
    for (let i = 0; i < steps; i++) chosen.set(this.#views.sort.subarray(i * experts, i * experts + k), i * k);
    return chosen;
  }

  #rowOf(chosen: Int32Array, i: number): Int32Array {
    const { expertsPerToken: k } = this.#runtime.hyper;
    return chosen.subarray(i * k, (i + 1) * k);
  }

  async #runExperts(layer: number, chosen: Int32Array, { steps, failures }: Batch): Promise<void> {
    const sent = steps.map((step, i) =>
      failures.has(step) ? null : this.#send(layer, this.#rowOf(chosen, i), { step, i }),
    );
    if (sent.every((each) => each === null)) return this.#runLocal(layer, chosen, steps.length);
    const [here, ...elsewhere] = await Promise.allSettled([this.#runLocal(layer, chosen, steps.length), ...sent]);
    if (here?.status === "rejected") throw here.reason;
    for (const [i, result] of elsewhere.entries()) {
      if (result.status === "rejected") failures.set(steps[i] as DecodeStep, result.reason);
    }
  }

  #send(layer: number, chosen: Int32Array, { step, i }: { step: DecodeStep; i: number }): Promise<void> | null {
    const { hidden, expertsPerToken: k } = this.#runtime.hyper;
    const { input, weights, rows } = this.#views;
    const work = {
      layer,
      kernel: "decode",
      chosen,
      inputs: input.subarray(i * hidden),
      weights: weights.subarray(i * k),
      outputs: rows.subarray(i * k * hidden),
    } as const;
    return sendElsewhere(this.#runtime, work, step.remote);
  }

  async #runLocal(layer: number, chosen: Int32Array, steps: number): Promise<void> {
    const { hyper, bank } = this.#runtime;
    this.#graphs.computeShared(layer);
    const isHere = whoIsHere(this.#runtime, layer);
    if (chosen.every(isHere)) return this.#experts.runAll(layer, chosen, steps);
    const rows = routeRows(chosen, hyper.expertsPerToken, isHere);
    const { input, rows: output } = this.#graphs.io.tensors;
    const { runner, lanes } = this.#grouped;
    await runner.run({ kernel: "decode", rows, input, output, holder: bank.holderIn(layer) }, lanes);
  }

  [Symbol.dispose](): void {
    this.#experts[Symbol.dispose]();
    this.#graphs[Symbol.dispose]();
  }
}

interface Batch {
  readonly steps: readonly DecodeStep[];
  /** Steps that ended, and why. */
  readonly failures: Map<DecodeStep, unknown>;
}

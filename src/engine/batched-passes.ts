import { CpuBackend } from "../ggml/cpu-backend.ts";
import { isSmallModel } from "../model/architecture.ts";
import { BatchedPass } from "./batched-pass.ts";
import { shortPrompt } from "./default-passes.ts";
import { ExpertRunner } from "./expert-runner.ts";
import { Lanes } from "./lanes.ts";
import type { LayerShape } from "./layer-graphs.ts";
import { LayeredPass } from "./layered-pass.ts";
import { PassCache } from "./pass-cache.ts";
import {
  BATCH_TOKENS,
  type BatchOptions,
  type DecodeResult,
  type DecodeStep,
  type PassStrategy,
} from "./pass-strategy.ts";
import { leastRows, tiledRows } from "./row-tiles.ts";
import type { Runtime } from "./runtime.ts";
import { TiledPrefill } from "./tiled-prefill.ts";

/** Each for other lengths of the sequences, or another number of tiles. */
export const KEPT_BATCHES = 6;

/** Several sequences in one cache: prefill one by one, the next tokens of all of them together. */
export class BatchedPasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #shortPrompt: number;
  readonly #leastRows: number;
  readonly #tiled: TiledPrefill;
  /** Last layer's experts and head of a prompt. */
  readonly #last: LayeredPass;
  readonly #batches: PassCache<LayerShape, BatchedPass>;
  readonly #runner: ExpertRunner;
  readonly #lanes: Lanes;
  /** Of a small model, whose threads would mostly wait for each other. */
  readonly #oneThread: CpuBackend | null;

  constructor(runtime: Runtime) {
    const { native, transformer, hyper, cache, backend, threads } = runtime;
    this.#runtime = runtime;
    this.#shortPrompt = shortPrompt(transformer);
    this.#leastRows = leastRows(transformer, cache.parallel);
    this.#tiled = new TiledPrefill(runtime, BATCH_TOKENS);
    this.#last = new LayeredPass(runtime, cache.span(1));
    this.#runner = new ExpertRunner(native, transformer, tiledRows(cache.parallel));
    this.#lanes = new Lanes(native, threads);
    this.#oneThread = isSmallModel(hyper) && backend.threads > 1 ? new CpuBackend(native, 1) : null;
    const own = { ...runtime, backend: this.#oneThread ?? backend };
    const grouped = { runner: this.#runner, lanes: this.#lanes };
    this.#batches = new PassCache((shape) => new BatchedPass(own, shape, grouped), KEPT_BATCHES);
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    const isShort = position === 0 && tokens.length <= this.#shortPrompt;
    const gate = await this.#tiled.run(tokens, position, { ...options, kernel: isShort ? "decode" : "prefill" });
    if (gate === undefined) return undefined;
    await this.#last.finish(gate, options.remote);
    return this.#last.logits;
  }

  decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    const { cache } = this.#runtime;
    const end = Math.max(...steps.map(({ region, position }) => region.first + position + 1));
    const rows = Math.max(tiledRows(steps.length), this.#leastRows);
    return this.#batches.get({ rows, span: cache.span(end) }).run(steps);
  }

  [Symbol.dispose](): void {
    for (const part of [this.#batches, this.#last, this.#tiled, this.#runner, this.#lanes]) part[Symbol.dispose]();
    this.#oneThread?.[Symbol.dispose]();
  }
}

import { CpuBackend } from "../ggml/cpu-backend.ts";
import type { Native } from "../ggml/library.ts";
import { NamedTensors } from "../ggml/named-tensors.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HyperParameters, Transformer } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import { CallRunner, type CallRunnerOptions, callBuffers } from "./call-runner.ts";
import { ChosenExperts } from "./chosen-experts.ts";
import { ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import type { RemoteCall, RemoteExperts } from "./runtime.ts";
import type { Placement } from "./tensor-loader.ts";

export interface ExpertEngineOptions extends CallRunnerOptions {
  readonly selection: ExpertSelection;
}

/**
 * Experts without the rest of the model: what an expert function runs. Computes the same bits for a row as an engine
 * that holds the expert itself.
 */
export class ExpertEngine implements RemoteExperts, Disposable {
  readonly hyper: HyperParameters;
  readonly weightBytes: number;
  readonly #bank: ExpertBank;
  readonly #batches: CallRunner;
  readonly #backend: CpuBackend;
  /** Of one token. */
  readonly #io: NamedTensors<ReturnType<typeof callBuffers>>;
  readonly #chosen: ChosenExperts;

  private constructor(
    native: Native,
    { transformer, bank }: { readonly transformer: Transformer; readonly bank: ExpertBank },
    options: CallRunnerOptions,
  ) {
    const { hyper } = transformer;
    this.hyper = hyper;
    this.#bank = bank;
    this.weightBytes = bank.bytes;
    this.#batches = new CallRunner(native, transformer, options);
    this.#backend = new CpuBackend(native, options.threads);
    this.#io = new NamedTensors(native, this.#backend.bufferType, callBuffers(hyper, 1));
    this.#chosen = new ChosenExperts({ native, transformer, hyper, bank, backend: this.#backend }, this.#io.tensors);
  }

  /** @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_TENSOR_INVALID, NATIVE_CALL_FAILED */
  static async load(
    native: Native,
    file: GgufFile,
    placement: Placement,
    options: ExpertEngineOptions,
  ): Promise<ExpertEngine> {
    const transformer = readTransformer(file);
    const { selection } = options;
    const bank = await ExpertBank.load(native, transformer.experts, { selection, placement });
    return new ExpertEngine(native, { transformer, bank }, options);
  }

  /** Calls must not overlap. */
  async compute(call: RemoteCall): Promise<void> {
    const isToken = call.inputs.length === this.hyper.hidden;
    if (call.kernel === "decode" && isToken) return this.#decode(call);
    await this.#batches.run(call, this.#bank.holderIn(call.layer));
  }

  /** The rows of a single token: by a graph that is kept, where a batch builds its own. */
  #decode({ layer, inputs, rows, outputs }: RemoteCall): void {
    const { hidden } = this.hyper;
    const { views } = this.#io;
    views.input.set(inputs);
    this.#chosen.run(layer, rows.experts);
    for (let row = 0; row < rows.count; row++) {
      outputs.set(views.rows.subarray(row * hidden, (row + 1) * hidden), (rows.slots[row] as number) * hidden);
    }
  }

  [Symbol.dispose](): void {
    for (const part of [this.#chosen, this.#io, this.#backend, this.#batches, this.#bank]) part[Symbol.dispose]();
  }
}

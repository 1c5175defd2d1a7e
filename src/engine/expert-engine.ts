import { CpuBackend } from "../ggml/cpu-backend.ts";
import type { Native } from "../ggml/library.ts";
import { f32, NamedTensors, type SharedTensor } from "../ggml/named-tensors.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { Architecture, HyperParameters } from "../model/architecture.ts";
import { architectureOf } from "../model/registry.ts";
import { ChosenExperts } from "./chosen-experts.ts";
import { ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import { ExpertRunner } from "./expert-runner.ts";
import { Lanes } from "./lanes.ts";
import type { RoutedRows } from "./routing.ts";
import type { RemoteCall, RemoteExperts } from "./runtime.ts";

export interface ExpertEngineOptions {
  readonly selection: ExpertSelection;
  /** Threads that compute: the vCPUs of this function. */
  readonly threads: number;
  /** Most tokens of one call. */
  readonly maxTokens: number;
}

/**
 * Experts without the rest of the model: what an expert function runs. Computes the same bits for a row as an engine
 * that holds the expert itself.
 */
export class ExpertEngine implements RemoteExperts, Disposable {
  readonly hyper: HyperParameters;
  readonly weightBytes: number;
  readonly #bank: ExpertBank;
  readonly #backend: CpuBackend;
  readonly #lanes: Lanes;
  readonly #runner: ExpertRunner;
  readonly #batch: NamedTensors<{ input: SharedTensor<"f32">; rows: SharedTensor<"f32"> }>;
  readonly #token: NamedTensors<{ input: SharedTensor<"f32">; rows: SharedTensor<"f32"> }>;
  readonly #chosen: ChosenExperts;

  private constructor(
    native: Native,
    model: { architecture: Architecture; hyper: HyperParameters; bank: ExpertBank },
    { threads, maxTokens }: ExpertEngineOptions,
  ) {
    const { hidden, expertsPerToken: k } = model.hyper;
    this.hyper = model.hyper;
    this.#bank = model.bank;
    this.weightBytes = model.bank.bytes;
    this.#backend = new CpuBackend(native, threads);
    this.#lanes = new Lanes(native, threads);
    this.#runner = new ExpertRunner(native, model, maxTokens);
    const host = this.#backend.bufferType;
    this.#batch = new NamedTensors(native, host, { input: f32(hidden, maxTokens), rows: f32(hidden, k * maxTokens) });
    this.#token = new NamedTensors(native, host, { input: f32(hidden), rows: f32(hidden, k) });
    this.#chosen = new ChosenExperts({ native, ...model, backend: this.#backend }, this.#token.tensors);
  }

  /** @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_TENSOR_INVALID, NATIVE_CALL_FAILED */
  static async load(
    native: Native,
    file: GgufFile,
    placement: Parameters<typeof ExpertBank.load>[3]["placement"],
    options: ExpertEngineOptions,
  ): Promise<ExpertEngine> {
    const architecture = architectureOf(file);
    const hyper = architecture.hyperParameters(file);
    const { selection } = options;
    const bank = await ExpertBank.load(native, file, architecture.experts(file, hyper), { selection, placement });
    return new ExpertEngine(native, { architecture, hyper, bank }, options);
  }

  async compute(call: RemoteCall): Promise<void> {
    if (call.kernel === "prefill") await this.#prefill(call);
    else this.#decode(call);
  }

  async #prefill({ layer, inputs, rows, outputs }: RemoteCall): Promise<void> {
    const { hidden } = this.hyper;
    const { tensors, views } = this.#batch;
    views.input.set(inputs);
    await this.#runner.run({ layer, kernel: "prefill", input: tensors.input, rows, output: tensors.rows }, this.#lanes);
    for (const slot of rows.slots) {
      outputs.set(views.rows.subarray(slot * hidden, (slot + 1) * hidden), slot * hidden);
    }
  }

  /** Rows of one token at a time. */
  #decode({ layer, inputs, rows, outputs }: RemoteCall): void {
    const { hidden } = this.hyper;
    const { views } = this.#token;
    for (const { token, experts, slots } of byToken(rows)) {
      views.input.set(inputs.subarray(token * hidden, (token + 1) * hidden));
      this.#chosen.run(layer, experts);
      for (const [rank, slot] of slots.entries()) {
        outputs.set(views.rows.subarray(rank * hidden, (rank + 1) * hidden), slot * hidden);
      }
    }
  }

  [Symbol.dispose](): void {
    for (const part of [this.#chosen, this.#token, this.#batch, this.#runner, this.#lanes, this.#backend, this.#bank]) {
      part[Symbol.dispose]();
    }
  }
}

function byToken({
  count,
  tokens,
  experts,
  slots,
}: RoutedRows): { token: number; experts: Int32Array; slots: number[] }[] {
  const rows = Array.from({ length: count }, (_, i) => i);
  return [...new Set(tokens)].map((token) => {
    const own = rows.filter((i) => tokens[i] === token);
    return {
      token,
      experts: Int32Array.from(own, (i) => experts[i] as number),
      slots: own.map((i) => slots[i] as number),
    };
  });
}

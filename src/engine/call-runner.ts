import type { Native } from "../ggml/library.ts";
import { f32, NamedTensors } from "../ggml/named-tensors.ts";
import type { HyperParameters, Transformer } from "../model/architecture.ts";
import type { ExpertHolder } from "./expert-bank.ts";
import { ExpertRunner } from "./expert-runner.ts";
import { Lanes } from "./lanes.ts";
import type { RemoteCall } from "./runtime.ts";

export interface CallRunnerOptions {
  /** Threads that compute: the vCPUs of this function. */
  readonly threads: number;
  /** Most tokens of one call. */
  readonly maxTokens: number;
}

/** Computes calls for experts with any experts in memory, one call at a time: brings their rows in and out. */
export class CallRunner implements Disposable {
  readonly #hidden: number;
  readonly #lanes: Lanes;
  readonly #runner: ExpertRunner;
  readonly #io: NamedTensors<ReturnType<typeof callBuffers>>;

  constructor(native: Native, transformer: Transformer, { threads, maxTokens }: CallRunnerOptions) {
    this.#hidden = transformer.hyper.hidden;
    this.#lanes = new Lanes(native, threads);
    this.#runner = new ExpertRunner(native, transformer, maxTokens);
    const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
    this.#io = new NamedTensors(native, host, callBuffers(transformer.hyper, maxTokens));
  }

  async run({ kernel, inputs, rows, outputs }: RemoteCall, holder: ExpertHolder): Promise<void> {
    const { tensors, views } = this.#io;
    views.input.set(inputs);
    await this.#runner.run({ holder, kernel, rows, input: tensors.input, output: tensors.rows }, this.#lanes);
    for (const slot of rows.slots) {
      outputs.set(views.rows.subarray(slot * this.#hidden, (slot + 1) * this.#hidden), slot * this.#hidden);
    }
  }

  [Symbol.dispose](): void {
    this.#io[Symbol.dispose]();
    this.#runner[Symbol.dispose]();
    this.#lanes[Symbol.dispose]();
  }
}

/** Inputs of a call and the rows that come out, in native memory. */
export function callBuffers({ hidden, expertsPerToken: k }: HyperParameters, tokens: number) {
  return { input: f32(hidden, tokens), rows: f32(hidden, k * tokens) };
}

import type { Native } from "../../ggml/library.ts";
import type { GgufFile } from "../../gguf/read.ts";
import type { ExpertSelection } from "../expert-bank.ts";
import { ExpertEngine } from "../expert-engine.ts";
import { filterRows } from "../routing.ts";
import type { RemoteCall, RemoteExperts } from "../runtime.ts";
import { cpuPlacement } from "../tensor-loader.ts";

/** Tokens of the engine's prefill batch: what one call may bring. */
const MAX_TOKENS = 512;

/** Several functions that hold experts; every row goes to the one that holds its expert. */
export class SplitExperts implements RemoteExperts, Disposable {
  /** Every call: which layer, and how many rows. */
  readonly calls: { readonly layer: number; readonly rows: number }[] = [];
  readonly #parts: readonly { readonly engine: ExpertEngine; readonly selection: ExpertSelection }[];

  private constructor(parts: readonly { readonly engine: ExpertEngine; readonly selection: ExpertSelection }[]) {
    this.#parts = parts;
  }

  static async load(native: Native, file: GgufFile, selections: readonly ExpertSelection[]): Promise<SplitExperts> {
    const parts = [];
    for (const selection of selections) {
      const options = { selection, threads: 1, maxTokens: MAX_TOKENS };
      parts.push({ selection, engine: await ExpertEngine.load(native, file, cpuPlacement(native), options) });
    }
    return new SplitExperts(parts);
  }

  async compute(call: RemoteCall): Promise<void> {
    this.calls.push({ layer: call.layer, rows: call.rows.count });
    for (const { engine, selection } of this.#parts) {
      const held = selection[call.layer] ?? [];
      const rows = filterRows(call.rows, (expert) => held.includes(expert));
      if (rows.count > 0) await engine.compute({ ...call, rows });
    }
  }

  [Symbol.dispose](): void {
    for (const { engine } of this.#parts) engine[Symbol.dispose]();
  }
}

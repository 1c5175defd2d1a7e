import { remoeError } from "../core/errors.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { ExpertTensors } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import { CallRunner, type CallRunnerOptions } from "./call-runner.ts";
import { ExpertBank, expertBytes, type LayerExperts } from "./expert-bank.ts";
import { filterRows, type RoutedRows } from "./routing.ts";
import type { RemoteCall, RemoteExperts } from "./runtime.ts";
import type { Placement } from "./tensor-loader.ts";

export interface AdoptedExpertsOptions extends CallRunnerOptions {
  readonly placement: Placement;
  /** Most bytes of experts in memory at a time. */
  readonly memoryBytes: number;
}

/**
 * Experts taken over from functions that are lost: read from the model file when first asked for, and kept as long as
 * the memory set aside for them allows; the least recently used one goes first. Same bits as any other holder.
 */
export class AdoptedExperts implements RemoteExperts, Disposable {
  readonly #native: Native;
  readonly #options: AdoptedExpertsOptions;
  readonly #tensors: readonly ExpertTensors[];
  readonly #runner: CallRunner;
  /** By layer and expert, the least recently used first. */
  readonly #banks = new Map<string, ExpertBank>();
  #adopted = 0;
  /** Of the call before: they share the runner's memory. */
  #previous: Promise<void> = Promise.resolve();

  /** @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID */
  constructor(native: Native, file: GgufFile, options: AdoptedExpertsOptions) {
    const transformer = readTransformer(file);
    this.#native = native;
    this.#options = options;
    this.#tensors = transformer.experts;
    this.#runner = new CallRunner(native, transformer, options);
  }

  /** How many experts were loaded so far; one that was evicted and loaded again counts again. */
  get adopted(): number {
    return this.#adopted;
  }

  /** Of experts in memory. */
  get bytes(): number {
    return [...this.#banks.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Any call: one after the other, when they overlap.
   * @throws EXPERT_MEMORY_TOO_SMALL, MODEL_FILE_TRUNCATED, NATIVE_CALL_FAILED
   */
  compute(call: RemoteCall): Promise<void> {
    const turn = this.#previous.then(() => this.#compute(call));
    this.#previous = turn.catch(() => {});
    return turn;
  }

  async #compute(call: RemoteCall): Promise<void> {
    for (const rows of this.#rounds(call)) {
      const layers = await this.#adopt(call.layer, [...new Set(rows.experts)]);
      await this.#runner.run({ ...call, rows }, (expert) => layers.get(expert) as LayerExperts);
    }
  }

  /** The rows in as many parts as there must be for the experts of each to be in memory together. */
  #rounds({ layer, rows }: RemoteCall): RoutedRows[] {
    const needed = expertBytes(this.#tensors[layer] as ExpertTensors, 1);
    const { memoryBytes } = this.#options;
    const room = Math.floor(memoryBytes / needed);
    if (room === 0) {
      const toMb = (bytes: number): string => (bytes / 2 ** 20).toFixed(2);
      throw remoeError("EXPERT_MEMORY_TOO_SMALL", { layer, neededMb: toMb(needed), limitMb: toMb(memoryBytes) });
    }
    const experts = [...new Set(rows.experts)];
    if (experts.length <= room) return [rows];
    // Those in memory first, before others take their room.
    const ordered = experts.toSorted((a, b) => Number(this.#has(layer, b)) - Number(this.#has(layer, a)));
    return Array.from({ length: Math.ceil(experts.length / room) }, (_, round) => {
      const own = new Set(ordered.slice(round * room, (round + 1) * room));
      return filterRows(rows, (expert) => own.has(expert));
    });
  }

  /** Brings experts of a layer into memory. → each with its place */
  async #adopt(layer: number, experts: readonly number[]): Promise<Map<number, LayerExperts>> {
    const adopted = new Map<number, LayerExperts>();
    for (const expert of experts) this.#use(layer, expert);
    for (const expert of experts) {
      const bank = this.#banks.get(key(layer, expert)) ?? (await this.#load(layer, expert));
      adopted.set(expert, bank.layers[0] as LayerExperts);
    }
    return adopted;
  }

  /** Makes an expert, if it is in memory, the most recently used one. */
  #use(layer: number, expert: number): void {
    const bank = this.#banks.get(key(layer, expert));
    if (bank === undefined) return;
    this.#banks.delete(key(layer, expert));
    this.#banks.set(key(layer, expert), bank);
  }

  async #load(layer: number, expert: number): Promise<ExpertBank> {
    const tensors = this.#tensors[layer] as ExpertTensors;
    this.#makeRoom(expertBytes(tensors, 1));
    const { placement } = this.#options;
    const bank = await ExpertBank.load(this.#native, [tensors], { selection: [[expert]], placement });
    this.#banks.set(key(layer, expert), bank);
    this.#adopted++;
    return bank;
  }

  #makeRoom(needed: number): void {
    for (const [name, bank] of this.#banks) {
      if (this.bytes + needed <= this.#options.memoryBytes) return;
      bank[Symbol.dispose]();
      this.#banks.delete(name);
    }
  }

  #has(layer: number, expert: number): boolean {
    return this.#banks.has(key(layer, expert));
  }

  [Symbol.dispose](): void {
    for (const bank of this.#banks.values()) bank[Symbol.dispose]();
    this.#banks.clear();
    this.#runner[Symbol.dispose]();
  }
}

function key(layer: number, expert: number): string {
  return `${layer}:${expert}`;
}

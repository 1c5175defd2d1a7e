import type { Native } from "../ggml/library.ts";
import { hasOwnLayout, TensorAliases, tensorAddress } from "../ggml/memory.ts";
import type { Tensor } from "../ggml/signatures.ts";
import { alignUp } from "../gguf/alignment.ts";
import { expertSlab } from "../gguf/experts.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";
import { type GgmlType, tensorBytes } from "../gguf/types.ts";
import type { ExpertTensors, ExpertWeights } from "../model/architecture.ts";
import {
  type FileRows,
  type LoadedTensor,
  type LoadedTensors,
  loadTensors,
  type Placement,
  type StoredTensor,
} from "./tensor-loader.ts";

/** The experts a function holds: for every layer, which. */
export type ExpertSelection = readonly (readonly number[])[];

export function allExperts(layers: number, experts: number): ExpertSelection {
  const all = Array.from({ length: experts }, (_, expert) => expert);
  return Array.from({ length: layers }, () => all);
}

/** The experts of one layer that are in memory. */
export interface LayerExperts {
  /** All of them, one behind the other: the i-th is `held[i]`. */
  readonly stack: ExpertWeights;
  readonly held: readonly number[];
  /** Place in the stack by expert; −1 for an expert that is not here. */
  readonly slotOf: Int32Array;
  /** True if the experts are kept in the layout of the matrix kernels. */
  readonly isRepacked: boolean;
  /** One expert by its place in the stack. */
  slab(slot: number): ExpertWeights;
}

/** The experts that an expert of a layer is in memory with. */
export type ExpertHolder = (expert: number) => LayerExperts;

/**
 * Experts in memory: any subset of the model's. Only their bytes are read from the file, and only they take memory.
 */
export class ExpertBank implements Disposable {
  /** `null` for a layer of which no expert is here. */
  readonly layers: readonly (LayerExperts | null)[];
  readonly bytes: number;
  readonly #loaded: LoadedTensors;
  readonly #aliases: TensorAliases;

  private constructor(layers: readonly (LayerExperts | null)[], loaded: LoadedTensors, aliases: TensorAliases) {
    this.layers = layers;
    this.bytes = loaded.bytes;
    this.#loaded = loaded;
    this.#aliases = aliases;
  }

  static async load(
    native: Native,
    file: GgufFile,
    tensors: readonly ExpertTensors[],
    { selection, placement }: { selection: ExpertSelection; placement: Placement },
  ): Promise<ExpertBank> {
    const specs = tensors.flatMap((layer, i) => stacksOf(layer, i, selection[i] ?? []));
    const loaded = await loadTensors(native, file.path, specs, placement);
    const slabs = selection.reduce((sum, held) => sum + held.length, 0);
    const aliases = new TensorAliases(native, MATRICES * slabs);
    const layers = tensors.map((layer, i) => {
      const held = selection[i] ?? [];
      return held.length === 0 ? null : layerExperts(layer, held, { loaded, aliases, layer: i });
    });
    return new ExpertBank(layers, loaded, aliases);
  }

  /** For rows of experts that are here. */
  holderIn(layer: number): ExpertHolder {
    const experts = this.layers[layer];
    return (expert) => {
      if (experts != null && (experts.slotOf[expert] ?? -1) >= 0) return experts;
      throw new Error(`expert ${expert} of layer ${layer} is not in this function`);
    };
  }

  /** True if every expert of every layer is here. */
  isComplete(experts: number): boolean {
    return this.layers.every((layer) => layer?.held.length === experts);
  }

  [Symbol.dispose](): void {
    this.#aliases[Symbol.dispose]();
    this.#loaded[Symbol.dispose]();
  }
}

/** Bytes of memory that so many experts of a layer take. */
export function expertBytes(tensors: ExpertTensors, count: number): number {
  const some = Array.from({ length: count }, (_, expert) => expert);
  const stacks = stacksOf(tensors, 0, some);
  return stacks.reduce(
    (sum, { type, shape }) => sum + alignUp(tensorBytes(type as GgmlType, shape), MEMORY_ALIGNMENT),
    0,
  );
}

/** Of tensors in host memory: the library's. */
export const MEMORY_ALIGNMENT = 32;
/** Gate, up and down; the first two may be fused. */
const MATRICES = 3;
/** Repacked matrices interleave up to this many rows; fusing must not make a group straddle gate and up. */
const ROW_GROUP = 16;

const stackName = (layer: number, matrix: string): string => `blk.${layer}.${matrix}`;

function isFused({ gate, up }: ExpertTensors): boolean {
  return gate.type === up.type && (gate.shape[1] ?? 0) % ROW_GROUP === 0;
}

function stacksOf(tensors: ExpertTensors, layer: number, held: readonly number[]): StoredTensor[] {
  if (held.length === 0) return [];
  const stack = (matrix: string, sources: readonly TensorInfo[]): StoredTensor => {
    const [first] = sources as [TensorInfo];
    const [width = 1, rows = 1] = first.shape;
    return {
      name: stackName(layer, matrix),
      type: first.type,
      shape: [width, rows * sources.length, held.length],
      parts: held.flatMap((expert) => sources.map((source) => slabRows(source, expert))),
      repackable: true,
    };
  };
  const { gate, up, down } = tensors;
  const inner = isFused(tensors) ? [stack("gate_up", [gate, up])] : [stack("gate", [gate]), stack("up", [up])];
  return [...inner, stack("down", [down])];
}

function slabRows(source: TensorInfo, expert: number): FileRows {
  return { ...expertSlab(source, expert), rows: source.shape[1] ?? 1 };
}

function layerExperts(
  tensors: ExpertTensors,
  held: readonly number[],
  { loaded, aliases, layer }: { loaded: LoadedTensors; aliases: TensorAliases; layer: number },
): LayerExperts {
  const stackOf = (matrix: string): LoadedTensor => loaded.byName.get(stackName(layer, matrix)) as LoadedTensor;
  const slabsOf = (matrix: string, sources: readonly TensorInfo[]): Tensor[] =>
    placeSlabs(aliases, stackOf(matrix), { sources, count: held.length });
  const { gate, up, down } = tensors;
  const slotOf = new Int32Array(gate.shape[2] ?? 0).fill(-1);
  held.forEach((expert, slot) => {
    slotOf[expert] = slot;
  });
  const downs = slabsOf("down", [down]);
  const isRepacked = hasOwnLayout(stackOf("down").tensor);
  const common = { held, slotOf, isRepacked };
  if (isFused(tensors)) {
    const gateUps = slabsOf("gate_up", [gate, up]);
    return {
      ...common,
      stack: { kind: "fused", gateUp: stackOf("gate_up").tensor, down: stackOf("down").tensor },
      slab: (slot) => ({ kind: "fused", gateUp: gateUps[slot] as Tensor, down: downs[slot] as Tensor }),
    };
  }
  const gates = slabsOf("gate", [gate]);
  const ups = slabsOf("up", [up]);
  const stack = { gate: stackOf("gate").tensor, up: stackOf("up").tensor, down: stackOf("down").tensor };
  return {
    ...common,
    stack: { kind: "separate", ...stack },
    slab: (slot) => ({
      kind: "separate",
      gate: gates[slot] as Tensor,
      up: ups[slot] as Tensor,
      down: downs[slot] as Tensor,
    }),
  };
}

/** One matrix for each expert, over the stack's memory. */
function placeSlabs(
  aliases: TensorAliases,
  stack: LoadedTensor,
  { sources, count }: { sources: readonly TensorInfo[]; count: number },
): Tensor[] {
  const [first] = sources as [TensorInfo];
  const [width = 1, rows = 1, experts = 1] = first.shape;
  const bytes = (first.bytes / experts) * sources.length;
  const base = tensorAddress(stack.tensor);
  return Array.from({ length: count }, (_, slot) =>
    aliases.place(
      { type: first.type, shape: [width, rows * sources.length] },
      stack.buffer,
      base + BigInt(slot * bytes),
    ),
  );
}

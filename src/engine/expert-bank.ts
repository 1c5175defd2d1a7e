import type { Native } from "../ggml/library.ts";
import { hasOwnLayout, TensorAliases, tensorAddress } from "../ggml/memory.ts";
import type { Tensor } from "../ggml/signatures.ts";
import { alignUp } from "../gguf/alignment.ts";
import type { StackedTensor } from "../gguf/experts.ts";
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
    tensors: readonly ExpertTensors[],
    { selection, placement }: { selection: ExpertSelection; placement: Placement },
  ): Promise<ExpertBank> {
    const specs = tensors.flatMap((layer, i) => stacksOf(layer, i, selection[i] ?? []));
    const loaded = await loadTensors(native, specs, placement);
    const slabs = specs.reduce((sum, { shape }) => sum + (shape.at(-1) ?? 0), 0);
    const aliases = new TensorAliases(native, slabs);
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
/** Repacked matrices interleave up to this many rows; fusing must not make a group straddle gate and up. */
const ROW_GROUP = 16;

const stackName = (layer: number, matrix: string): string => `blk.${layer}.${matrix}`;

/** Matrices and biases of a layer's experts as they are kept, each of one or several of the file's, row upon row. */
type ExpertParts = ReadonlyMap<string, readonly StackedTensor[]>;

function isFused({ gate, up, biases }: ExpertTensors): boolean {
  return biases === null && gate?.type === up.type && (up.shape[1] ?? 0) % ROW_GROUP === 0;
}

function partsOf(tensors: ExpertTensors): ExpertParts {
  const { gate, up, down, biases } = tensors;
  if (gate !== null && isFused(tensors)) return new Map(Object.entries({ gate_up: [gate, up], down: [down] }));
  const parts = { gate, up, down, gate_bias: biases?.gate, up_bias: biases?.up, down_bias: biases?.down };
  return new Map(Object.entries(parts).flatMap(([name, part]) => (part == null ? [] : [[name, [part]]])));
}

/** One expert's: [in, out] of a matrix, [out] of a bias. */
function slabShape(sources: readonly StackedTensor[]): readonly number[] {
  const [width = 1, ...rest] = sources[0]?.shape ?? [];
  const rows = rest.slice(0, -1);
  return [width, ...rows.map((count) => count * sources.length)];
}

function stacksOf(tensors: ExpertTensors, layer: number, held: readonly number[]): StoredTensor[] {
  if (held.length === 0) return [];
  return [...partsOf(tensors)].map(([name, sources]) => {
    const [first] = sources as [StackedTensor];
    const isMatrix = first.shape.length > 2;
    return {
      name: stackName(layer, name),
      type: first.type,
      shape: [...slabShape(sources), held.length],
      parts: held.flatMap((expert) => sources.map((source) => slabRows(source, expert))),
      repackable: isMatrix,
    };
  });
}

function slabRows(source: StackedTensor, expert: number): FileRows {
  return { ...source.slab(expert), rows: source.shape.length > 2 ? (source.shape[1] ?? 1) : 1 };
}

function layerExperts(
  tensors: ExpertTensors,
  held: readonly number[],
  { loaded, aliases, layer }: { loaded: LoadedTensors; aliases: TensorAliases; layer: number },
): LayerExperts {
  const stackOf = (part: string): LoadedTensor => loaded.byName.get(stackName(layer, part)) as LoadedTensor;
  const parts = partsOf(tensors);
  const slabs = new Map(
    [...parts].map(([name, sources]) => [name, placeSlabs(aliases, stackOf(name), { sources, count: held.length })]),
  );
  const slotOf = new Int32Array(tensors.up.shape.at(-1) ?? 0).fill(-1);
  held.forEach((expert, slot) => {
    slotOf[expert] = slot;
  });
  return {
    held,
    slotOf,
    isRepacked: hasOwnLayout(stackOf("down").tensor),
    stack: toWeights(parts, (name) => stackOf(name).tensor),
    slab: (slot) => toWeights(parts, (name) => slabs.get(name)?.[slot] as Tensor),
  };
}

function toWeights(parts: ExpertParts, tensorOf: (name: string) => Tensor): ExpertWeights {
  const find = (name: string): Tensor | null => (parts.has(name) ? tensorOf(name) : null);
  if (parts.has("gate_up")) return { kind: "fused", gateUp: tensorOf("gate_up"), down: tensorOf("down") };
  const biases = parts.has("down_bias")
    ? { gate: find("gate_bias"), up: tensorOf("up_bias"), down: tensorOf("down_bias") }
    : null;
  return { kind: "separate", gate: find("gate"), up: tensorOf("up"), down: tensorOf("down"), biases };
}

/** One matrix or bias for each expert, over the stack's memory. */
function placeSlabs(
  aliases: TensorAliases,
  stack: LoadedTensor,
  { sources, count }: { sources: readonly StackedTensor[]; count: number },
): Tensor[] {
  const { type } = sources[0] as StackedTensor;
  const shape = slabShape(sources);
  const bytes = tensorBytes(type, shape);
  const base = tensorAddress(stack.tensor);
  return Array.from({ length: count }, (_, slot) =>
    aliases.place({ type, shape }, stack.buffer, base + BigInt(slot * bytes)),
  );
}

import type { CpuBackend } from "../ggml/cpu-backend.ts";
import type { DeviceBackend } from "../ggml/device.ts";
import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { BlockScope, HyperParameters, Transformer, Weights } from "../model/architecture.ts";
import type { ExpertBank } from "./expert-bank.ts";
import type { KvCache } from "./kv-cache.ts";
import type { RoutedRows } from "./routing.ts";

/** What every forward pass works on. */
export interface Runtime {
  readonly native: Native;
  readonly transformer: Transformer;
  readonly hyper: HyperParameters;
  readonly weights: Weights;
  readonly bank: ExpertBank;
  readonly cache: KvCache;
  /** Takes everything but the experts; null if the processor does. */
  readonly device: DeviceBackend | null;
  /** Computes graphs that run as a whole. */
  readonly backend: CpuBackend;
  /** Threads of this function, for work that is cut into graphs of one thread each. */
  readonly threads: number;
}

export function blockScope({ weights: model }: Pick<Runtime, "weights">, block: number): BlockScope {
  const prefix = `blk.${block}.`;
  const weights = {
    get: (name: string) => model.get(prefix + name),
    find: (name: string) => model.find(prefix + name),
  };
  return { block, weights, model };
}

/** The MoE layer that a block is; `null` for a block without experts. */
export function layerOf({ moeBlocks }: HyperParameters, block: number): number | null {
  const layer = moeBlocks.indexOf(block);
  return layer < 0 ? null : layer;
}

/** The block of an MoE layer, and those without experts between it and the layer before. */
export function blocksOf({ moeBlocks }: HyperParameters, layer: number): readonly number[] {
  const last = moeBlocks[layer] as number;
  const first = layer === 0 ? 0 : (moeBlocks[layer - 1] as number) + 1;
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Receives the experts the gate chose: `chosen` holds `expertsPerToken` ids for each token, most probable first. */
export type GateObserver = (layer: number, chosen: Int32Array) => void;

/** How an expert's rows are computed, which decides their rounding: one by one, or grouped. */
export type ExpertKernel = "decode" | "prefill";

/** Rows for experts that live in other functions. */
export interface RemoteCall {
  readonly layer: number;
  readonly kernel: ExpertKernel;
  /** [hidden, tokens]; do not keep, it is overwritten after the call */
  readonly inputs: Float32Array;
  readonly rows: RoutedRows;
  /** The gate's weight of every slot, as the join will read it: [k, tokens] */
  readonly weights: Float32Array;
  /** Row i goes to `rows.slots[i]`: [hidden, k · tokens] */
  readonly outputs: Float32Array;
}

/** Computes the experts this function does not hold. */
export interface RemoteExperts {
  /**
   * Rows leave before this returns; resolves when every output row is in place, or what `writePreSummed` puts instead.
   * The call's arrays stay valid until then.
   */
  compute(call: RemoteCall): Promise<void>;
}

export interface PassOptions {
  /** Sees every gate's choice whose experts are computed. */
  readonly observe?: GateObserver | undefined;
  /**
   * Sees the last layer's choices for tokens of the prompt that nobody needs the output of: all but the last. Their
   * experts are not computed; asking for the choices costs attention and gate, and changes no bit of anything else.
   */
  readonly observeUnused?: GateObserver | undefined;
  /** Needed where experts are missing in this function. */
  readonly remote?: RemoteExperts | undefined;
}

export interface WeightedRows {
  /** Expert outputs: [hidden, k · tokens], the k rows of a token side by side. */
  readonly rows: Tensor;
  /** [k, tokens] */
  readonly weights: Tensor;
  /** What the shared experts put out: [hidden, tokens]; `null` if the model has none. */
  readonly shared: Tensor | null;
  /** The residual stream: [hidden, tokens] */
  readonly h: Tensor;
}

/**
 * h + scale · (Σ_j weight_j · row_j + shared), added in the gate's order: floating-point sums depend on it.
 * → [hidden, tokens]
 */
export function combineExperts(
  g: GraphBuilder,
  { hidden, expertsPerToken: k, residualScale }: HyperParameters,
  { rows, weights, shared, h }: WeightedRows,
  tokens: number,
): Tensor {
  const weighted = g.multiply(g.reshape3d(rows, hidden, k, tokens), g.reshape3d(weights, 1, k, tokens));
  const rowBytes = hidden * Float32Array.BYTES_PER_ELEMENT;
  const row = (j: number): Tensor => g.view2d(weighted, [hidden, tokens], k * rowBytes, j * rowBytes);
  let sum = row(0);
  for (let j = 1; j < k; j++) sum = g.add(sum, row(j));
  const output = shared === null ? sum : g.add(sum, shared);
  return g.add(residualScale === 1 ? output : g.scale(output, residualScale), h);
}

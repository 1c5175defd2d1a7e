import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { i32, i64, NamedTensors, type SharedTensor } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { Architecture, HyperParameters } from "../model/architecture.ts";
import type { ExpertBank, LayerExperts } from "./expert-bank.ts";
import type { Lanes, LaneTask } from "./lanes.ts";
import { balanceGroups, type ExpertGroup, groupByExpert, type RoutedRows } from "./routing.ts";
import type { ExpertKernel } from "./runtime.ts";

/**
 * The matrix kernels take rows four at a time and the rest one by one, with other rounding. Groups are filled up to
 * whole fours with a repeated row, so that a row's result does not depend on which rows it is computed with: neither
 * batch size nor placement of experts changes a bit.
 */
const ROW_TILE = 4;
/**
 * With AVX-512 the repacked kernels take sixteen rows in less time than twelve (155 against 90 GFLOP/s): a rest of more
 * than half of that is filled up to it.
 */
const WIDE_TILE = 16;
/** Longer groups are cut: bounds the memory of a graph, and lets threads share a popular expert. */
const MAX_GROUP_ROWS = 128;
const NODES_PER_GROUP = 12;

export interface ExpertBatch {
  readonly layer: number;
  readonly kernel: ExpertKernel;
  /** What the gate let through to the experts: [hidden, tokens] */
  readonly input: Tensor;
  readonly rows: RoutedRows;
  /** Receives row i at `rows.slots[i]`: [hidden, slots] */
  readonly output: Tensor;
}

/**
 * The experts in memory applied to a batch, spread over the lanes. Kernel `prefill`: tokens grouped by expert, a matrix
 * product for each. Kernel `decode`: every row by itself.
 */
export class ExpertRunner implements Disposable {
  readonly #architecture: Architecture;
  readonly #bank: ExpertBank;
  readonly #hidden: number;
  /** Whether {@link WIDE_TILE} pays here. */
  readonly #wide: boolean;
  readonly #lists: NamedTensors<{
    gather: SharedTensor<"i32">;
    ids: SharedTensor<"i32">;
    scatter: SharedTensor<"i64">;
  }>;

  /** `maxTokens`: most tokens of one batch. */
  constructor(
    native: Native,
    model: { readonly architecture: Architecture; readonly hyper: HyperParameters; readonly bank: ExpertBank },
    maxTokens: number,
  ) {
    const { experts, expertsPerToken } = model.hyper;
    this.#architecture = model.architecture;
    this.#bank = model.bank;
    this.#hidden = model.hyper.hidden;
    const rows = maxTokens * expertsPerToken;
    const padded = rows + (WIDE_TILE - 1) * (experts + Math.ceil(rows / MAX_GROUP_ROWS));
    this.#wide = model.bank.isRepacked && hasAvx512(native);
    const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
    this.#lists = new NamedTensors(native, host, { gather: i32(padded), ids: i32(padded), scatter: i64(padded) });
  }

  async run(batch: ExpertBatch, lanes: Lanes): Promise<void> {
    if (batch.rows.count === 0) return;
    await lanes.run(
      batch.kernel === "decode" ? this.#rowTasks(batch, lanes.count) : this.#groupTasks(batch, lanes.count),
    );
  }

  /** Writes the row lists of every group into memory, filled up to whole tiles. */
  #place({ tokens, slots, ...rows }: RoutedRows): PlacedGroup[] {
    const { gather, scatter } = this.#lists.views;
    let at = 0;
    return groupByExpert({ tokens, slots, ...rows }, MAX_GROUP_ROWS).map((group) => {
      const start = at;
      const padded = this.#fill(group.count);
      for (let i = 0; i < padded; i++) {
        const row = group.first + Math.min(i, group.count - 1);
        gather[at] = tokens[row] as number;
        scatter[at] = BigInt(slots[row] as number);
        at++;
      }
      return { ...group, start, padded };
    });
  }

  #fill(count: number): number {
    const rest = count % WIDE_TILE;
    const tile = this.#wide && rest > WIDE_TILE / 2 ? WIDE_TILE : ROW_TILE;
    return Math.ceil(count / tile) * tile;
  }

  #groupTasks(batch: ExpertBatch, count: number): LaneTask[] {
    return balanceGroups(this.#place(batch.rows), count).map((groups) => ({
      nodes: NODES_PER_GROUP * groups.length,
      build: (g) => {
        for (const group of groups) g.expand(this.#buildGroup(g, batch, group));
      },
    }));
  }

  #rowTasks(batch: ExpertBatch, parts: number): LaneTask[] {
    const { count, tokens, experts, slots } = batch.rows;
    const held = this.#held(batch.layer);
    const { gather, scatter, ids } = this.#lists.views;
    for (let i = 0; i < count; i++) {
      gather[i] = tokens[i] as number;
      scatter[i] = BigInt(slots[i] as number);
      ids[i] = held.slotOf[experts[i] as number] as number;
    }
    const step = Math.ceil(count / parts);
    return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({
      nodes: NODES_PER_GROUP,
      build: (g) =>
        void g.expand(this.#buildRows(g, batch, { first: i * step, count: Math.min(step, count - i * step) })),
    }));
  }

  #buildRows(g: GraphBuilder, { layer, input, output }: ExpertBatch, part: { first: number; count: number }): Tensor {
    const { first, count } = part;
    const { gather, scatter, ids } = this.#lists.tensors;
    const at = first * Int32Array.BYTES_PER_ELEMENT;
    const rows = g.getRows(input, g.view1d(gather, count, at)); // [hidden, count]
    const x = g.reshape3d(rows, this.#hidden, 1, count);
    const chosen = g.reshape2d(g.view1d(ids, count, at), 1, count);
    const outputs = this.#architecture.chosenExperts(g, this.#held(layer).stack, x, chosen); // [hidden, 1, count]
    const into = g.view1d(scatter, count, first * BigInt64Array.BYTES_PER_ELEMENT);
    return g.setRows(output, g.reshape2d(outputs, this.#hidden, count), into);
  }

  #held(layer: number): LayerExperts {
    const held = this.#bank.layers[layer];
    if (held === null || held === undefined) throw new Error(`no expert of layer ${layer} is in this function`);
    return held;
  }

  #buildGroup(g: GraphBuilder, { layer, input, output }: ExpertBatch, group: PlacedGroup): Tensor {
    const held = this.#held(layer);
    const slot = held.slotOf[group.expert] as number;
    if (slot < 0) throw new Error(`expert ${group.expert} of layer ${layer} is not in this function`);
    const gather = g.view1d(this.#lists.tensors.gather, group.padded, group.start * Int32Array.BYTES_PER_ELEMENT);
    const rows = this.#architecture.oneExpert(g, held.slab(slot), g.getRows(input, gather)); // [hidden, padded]
    const scatter = g.view1d(this.#lists.tensors.scatter, group.count, group.start * BigInt64Array.BYTES_PER_ELEMENT);
    const own = g.view2d(rows, [this.#hidden, group.count], this.#hidden * Float32Array.BYTES_PER_ELEMENT, 0);
    return g.setRows(output, own, scatter);
  }

  [Symbol.dispose](): void {
    this.#lists[Symbol.dispose]();
  }
}

/** CPU libraries of the native package that are built with AVX-512. */
const AVX512_LIBRARIES = /(zen4|skylakex|cascadelake|cooperlake|cannonlake|icelake|sapphirerapids)/;

function hasAvx512({ cpuLibrary }: Native): boolean {
  return AVX512_LIBRARIES.test(cpuLibrary);
}

interface PlacedGroup extends ExpertGroup {
  /** First entry of its row lists, and how many with the filling. */
  readonly start: number;
  readonly padded: number;
}

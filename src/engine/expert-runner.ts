import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { i32, i64, NamedTensors, type SharedTensor } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { Architecture, HyperParameters } from "../model/architecture.ts";
import type { ExpertBank } from "./expert-bank.ts";
import { type Lanes, type LaneTask, LONG_STAGE } from "./lanes.ts";
import { balanceGroups, type ExpertGroup, groupByExpert, type RoutedRows } from "./routing.ts";

/**
 * The matrix kernels take rows four at a time and the rest one by one, with other rounding. Groups are filled up to
 * whole fours with a repeated row, so that a row's result does not depend on which rows it is computed with: neither
 * batch size nor placement of experts changes a bit.
 */
const ROW_TILE = 4;
/**
 * With AVX-512 the repacked kernels take sixteen rows in less time than eight (155 against 70 GFLOP/s): a rest of more
 * than one small tile is filled up to a wide one.
 */
const WIDE_TILE = 16;
/** Longer groups are cut: bounds the memory of a graph, and lets threads share a popular expert. */
const MAX_GROUP_ROWS = 128;
const NODES_PER_GROUP = 12;

export interface ExpertBatch {
  readonly layer: number;
  /** What the gate let through to the experts: [hidden, tokens] */
  readonly input: Tensor;
  readonly rows: RoutedRows;
  /** Receives row i at `rows.slots[i]`: [hidden, slots] */
  readonly output: Tensor;
}

/** Prefill of the experts in memory: tokens grouped by expert, a matrix product for each, spread over the lanes. */
export class ExpertRunner implements Disposable {
  readonly #architecture: Architecture;
  readonly #bank: ExpertBank;
  readonly #multiplicationsPerRow: number;
  /** Whether {@link WIDE_TILE} pays here. */
  readonly #wide: boolean;
  readonly #lists: NamedTensors<{ gather: SharedTensor<"i32">; scatter: SharedTensor<"i64"> }>;

  /** `maxTokens`: most tokens of one batch. */
  constructor(
    native: Native,
    model: { readonly architecture: Architecture; readonly hyper: HyperParameters; readonly bank: ExpertBank },
    maxTokens: number,
  ) {
    const { experts, expertsPerToken } = model.hyper;
    this.#architecture = model.architecture;
    this.#bank = model.bank;
    this.#multiplicationsPerRow = 3 * model.hyper.hidden * model.hyper.expertWidth;
    const rows = maxTokens * expertsPerToken;
    const padded = rows + (WIDE_TILE - 1) * (experts + Math.ceil(rows / MAX_GROUP_ROWS));
    this.#wide = model.bank.isRepacked && hasAvx512(native);
    const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
    this.#lists = new NamedTensors(native, host, { gather: i32(padded), scatter: i64(padded) });
  }

  async run(batch: ExpertBatch, lanes: Lanes): Promise<void> {
    const length = batch.rows.count * this.#multiplicationsPerRow < LONG_STAGE ? "short" : "long";
    const bins = balanceGroups(this.#place(batch.rows), length === "short" ? lanes.count : lanes.width);
    await lanes.run(
      bins.map((groups) => this.#task(batch, groups)),
      length,
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
    const tile = this.#wide && rest > ROW_TILE ? WIDE_TILE : ROW_TILE;
    return Math.ceil(count / tile) * tile;
  }

  #task(batch: ExpertBatch, groups: readonly PlacedGroup[]): LaneTask {
    return {
      nodes: NODES_PER_GROUP * groups.length,
      build: (g) => {
        for (const group of groups) g.expand(this.#buildGroup(g, batch, group));
      },
    };
  }

  #buildGroup(g: GraphBuilder, { layer, input, output }: ExpertBatch, group: PlacedGroup): Tensor {
    const experts = this.#bank.layers[layer];
    const slot = experts?.slotOf[group.expert] ?? -1;
    if (experts === null || experts === undefined || slot < 0) {
      throw new Error(`expert ${group.expert} of layer ${layer} is not in this function`);
    }
    const gather = g.view1d(this.#lists.tensors.gather, group.padded, group.start * Int32Array.BYTES_PER_ELEMENT);
    const rows = this.#architecture.oneExpert(g, experts.slab(slot), g.getRows(input, gather)); // [hidden, padded]
    const scatter = g.view1d(this.#lists.tensors.scatter, group.count, group.start * BigInt64Array.BYTES_PER_ELEMENT);
    return g.setRows(output, g.firstRows(rows, group.count), scatter);
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

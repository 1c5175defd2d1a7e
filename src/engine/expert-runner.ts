import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { i32, i64, NamedTensors, type SharedTensor } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { Architecture, HyperParameters } from "../model/architecture.ts";
import type { ExpertBank } from "./expert-bank.ts";
import type { GraphRunner, GraphTask } from "./graph-runner.ts";
import { balanceGroups, type ExpertGroup, groupByExpert, type RoutedRows } from "./routing.ts";

/**
 * The matrix kernels take rows four at a time and the rest one by one, with other rounding. Groups are filled up to
 * whole fours with a repeated row, so that a row's result does not depend on which rows it is computed with: neither
 * batch size nor placement of experts changes a bit.
 */
const ROW_TILE = 4;
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

/** Prefill of the experts in memory: tokens grouped by expert, a matrix product for each, spread over the runner. */
export class ExpertRunner implements Disposable {
  readonly #architecture: Architecture;
  readonly #bank: ExpertBank;
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
    const rows = maxTokens * expertsPerToken;
    const padded = rows + (ROW_TILE - 1) * (experts + Math.ceil(rows / MAX_GROUP_ROWS));
    const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
    this.#lists = new NamedTensors(native, host, { gather: i32(padded), scatter: i64(padded) });
  }

  async run(batch: ExpertBatch, runner: GraphRunner): Promise<void> {
    const bins = balanceGroups(this.#place(batch.rows), runner.width);
    if (bins.length > 0) await runner.run([bins.map((groups) => this.#task(batch, groups))]);
  }

  /** Writes the row lists of every group into memory, filled up to whole tiles. */
  #place({ tokens, slots, ...rows }: RoutedRows): PlacedGroup[] {
    const { gather, scatter } = this.#lists.views;
    let at = 0;
    return groupByExpert({ tokens, slots, ...rows }, MAX_GROUP_ROWS).map((group) => {
      const start = at;
      const padded = Math.ceil(group.count / ROW_TILE) * ROW_TILE;
      for (let i = 0; i < padded; i++) {
        const row = group.first + Math.min(i, group.count - 1);
        gather[at] = tokens[row] as number;
        scatter[at] = BigInt(slots[row] as number);
        at++;
      }
      return { ...group, start, padded };
    });
  }

  #task(batch: ExpertBatch, groups: readonly PlacedGroup[]): GraphTask {
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

interface PlacedGroup extends ExpertGroup {
  /** First entry of its row lists, and how many with the filling. */
  readonly start: number;
  readonly padded: number;
}

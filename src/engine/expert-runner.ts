import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { HyperParameters, Transformer } from "../model/architecture.ts";
import type { ExpertHolder, LayerExperts } from "./expert-bank.ts";
import type { LaneTask, TaskRunner } from "./lanes.ts";
import { balanceGroups, type ExpertGroup, groupByExpert, type RoutedRows } from "./routing.ts";
import { ROW_TILE } from "./row-tiles.ts";
import type { ExpertKernel } from "./runtime.ts";

/**
 * With AVX-512 the repacked kernels take sixteen rows in less time than twelve (155 against 90 GFLOP/s): a rest of more
 * than half of that is filled up to it.
 */
const WIDE_TILE = 16;
/** Longer groups are cut: bounds the memory of a graph, and lets threads share a popular expert. */
export const MAX_GROUP_ROWS = 128;
const NODES_PER_GROUP = 20;

export interface ExpertBatch {
  /** Where the rows' experts are in memory. */
  readonly holder: ExpertHolder;
  readonly kernel: ExpertKernel;
  /** What the gate let through to the experts: [hidden, tokens] */
  readonly input: Tensor;
  readonly rows: RoutedRows;
  /** Receives row i at `rows.slots[i]`: [hidden, slots] */
  readonly output: Tensor;
}

/**
 * Experts in memory applied to a batch, spread over the lanes. Kernel `prefill`: tokens grouped by expert, a matrix
 * product for each. Kernel `decode`: every row by itself.
 */
export class ExpertRunner implements Disposable {
  readonly #transformer: Transformer;
  readonly #hidden: number;
  /** Whether {@link WIDE_TILE} pays here, for experts in the kernels' layout. */
  readonly #wide: boolean;
  readonly #lists: NamedTensors<ReturnType<typeof rowLists>>;

  /** `maxTokens`: most tokens of one batch. */
  constructor(native: Native, transformer: Transformer, maxTokens: number) {
    this.#transformer = transformer;
    this.#hidden = transformer.hyper.hidden;
    this.#wide = hasAvx512(native);
    const host = native.ggml.ggml_backend_dev_buffer_type(native.cpuDevice);
    this.#lists = new NamedTensors(native, host, rowLists(transformer.hyper, maxTokens));
  }

  async run(batch: ExpertBatch, lanes: TaskRunner): Promise<void> {
    if (batch.rows.count === 0) return;
    await lanes.run(
      batch.kernel === "decode" ? this.#rowTasks(batch, lanes.count) : this.#groupTasks(batch, lanes.count),
    );
  }

  /** Writes the row lists of every group into memory, filled up to whole tiles. */
  #place({ rows, holder }: ExpertBatch): PlacedGroup[] {
    const { gather, scatter } = this.#lists.views;
    let at = 0;
    return groupByExpert(rows, MAX_GROUP_ROWS).map((group) => {
      const start = at;
      const held = holder(group.expert);
      const padded = this.#fill(group.count, held);
      for (let i = 0; i < padded; i++) {
        const row = group.first + Math.min(i, group.count - 1);
        gather[at] = rows.tokens[row] as number;
        scatter[at] = BigInt(rows.slots[row] as number);
        at++;
      }
      return { ...group, start, padded, held };
    });
  }

  #fill(count: number, { isRepacked }: LayerExperts): number {
    const rest = count % WIDE_TILE;
    const tile = this.#wide && isRepacked && rest > WIDE_TILE / 2 ? WIDE_TILE : ROW_TILE;
    return Math.ceil(count / tile) * tile;
  }

  #groupTasks(batch: ExpertBatch, count: number): LaneTask[] {
    return balanceGroups(this.#place(batch), count).map((groups) => ({
      nodes: NODES_PER_GROUP * groups.length,
      build: (g) => {
        for (const group of groups) g.expand(this.#buildGroup(g, batch, group));
      },
    }));
  }

  #rowTasks({ rows, holder, input, output }: ExpertBatch, parts: number): LaneTask[] {
    const { count, tokens, experts, slots } = rows;
    const { gather, scatter, ids } = this.#lists.views;
    for (let i = 0; i < count; i++) {
      const expert = experts[i] as number;
      gather[i] = tokens[i] as number;
      scatter[i] = BigInt(slots[i] as number);
      ids[i] = holder(expert).slotOf[expert] as number;
    }
    return cutRows(rows, holder, Math.ceil(count / parts)).map((part) => ({
      nodes: NODES_PER_GROUP,
      build: (g) => void g.expand(this.#buildRows(g, part, { input, output })),
    }));
  }

  #buildRows(g: GraphBuilder, { held, first, count }: StackRows, { input, output }: InputOutput): Tensor {
    const { gather, scatter, ids } = this.#lists.tensors;
    const at = first * Int32Array.BYTES_PER_ELEMENT;
    const rows = g.getRows(input, g.view1d(gather, count, at)); // [hidden, count]
    const x = g.reshape3d(rows, this.#hidden, 1, count);
    const chosen = g.reshape2d(g.view1d(ids, count, at), 1, count);
    const outputs = this.#transformer.chosenExperts(g, held.stack, x, chosen); // [hidden, 1, count]
    const into = g.view1d(scatter, count, first * BigInt64Array.BYTES_PER_ELEMENT);
    return g.setRows(output, g.reshape2d(outputs, this.#hidden, count), into);
  }

  #buildGroup(g: GraphBuilder, { input, output }: InputOutput, group: PlacedGroup): Tensor {
    const expert = group.held.slab(group.held.slotOf[group.expert] as number);
    const gather = g.view1d(this.#lists.tensors.gather, group.padded, group.start * Int32Array.BYTES_PER_ELEMENT);
    const rows = this.#transformer.oneExpert(g, expert, g.getRows(input, gather)); // [hidden, padded]
    const scatter = g.view1d(this.#lists.tensors.scatter, group.count, group.start * BigInt64Array.BYTES_PER_ELEMENT);
    const own = g.view2d(rows, [this.#hidden, group.count], this.#hidden * Float32Array.BYTES_PER_ELEMENT, 0);
    return g.setRows(output, own, scatter);
  }

  [Symbol.dispose](): void {
    this.#lists[Symbol.dispose]();
  }
}

/** Which token a row reads, which expert of its stack it goes to, and where its output goes. */
export function rowLists({ experts, expertsPerToken }: HyperParameters, maxTokens: number) {
  const rows = maxTokens * expertsPerToken;
  const padded = rows + (WIDE_TILE - 1) * (experts + Math.ceil(rows / MAX_GROUP_ROWS));
  return { gather: i32(padded), ids: i32(padded), scatter: i64(padded) };
}

/** CPU libraries of the native package that are built with AVX-512. */
const AVX512_LIBRARIES = /(zen4|skylakex|cascadelake|cooperlake|cannonlake|icelake|sapphirerapids)/;

function hasAvx512({ cpuLibrary }: Native): boolean {
  return AVX512_LIBRARIES.test(cpuLibrary);
}

type InputOutput = Pick<ExpertBatch, "input" | "output">;

interface PlacedGroup extends ExpertGroup {
  readonly held: LayerExperts;
  /** First entry of its row lists, and how many with the filling. */
  readonly start: number;
  readonly padded: number;
}

/** Consecutive rows whose experts are in one stack. */
interface StackRows {
  readonly held: LayerExperts;
  readonly first: number;
  readonly count: number;
}

/** Cuts rows where the stack changes, and where a part has `maxRows`. */
function cutRows({ count, experts }: RoutedRows, holder: ExpertHolder, maxRows: number): StackRows[] {
  const parts: StackRows[] = [];
  for (let first = 0; first < count; ) {
    const held = holder(experts[first] as number);
    let end = first + 1;
    while (end < count && end - first < maxRows && holder(experts[end] as number) === held) end++;
    parts.push({ held, first, count: end - first });
    first = end;
  }
  return parts;
}

import type { GraphBuilder } from "../ggml/graph-builder.ts";
import { tensorSource } from "../ggml/memory.ts";
import { f16, f32, i32, i64, NamedTensors } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import { type HyperParameters, NODES_PER_BLOCK } from "../model/architecture.ts";
import { maskOf, recordDense, windowSpan } from "./block-graph.ts";
import type { CacheRegion } from "./cache-regions.ts";
import { dispatchExperts } from "./expert-dispatch.ts";
import { ExpertRunner } from "./expert-runner.ts";
import { cacheSpan, type KvCache } from "./kv-cache.ts";
import { Lanes, type LaneTask } from "./lanes.ts";
import type { GateResult } from "./layered-pass.ts";
import { fillCausalMask } from "./mask.ts";
import type { BatchOptions } from "./pass-strategy.ts";
import { routeRows } from "./routing.ts";
import { MANY_ROWS, ROW_TILE } from "./row-tiles.ts";
import { blockScope, combineExperts, type ExpertKernel, layerOf, type PassOptions, type Runtime } from "./runtime.ts";

/**
 * Tokens of one tile. Tiles begin at multiples of it, counted from the start of the sequence, so that a token is
 * computed together with the same neighbours whatever the batch size: the library's attention kernel works on 64 rows.
 */
export const TILE_TOKENS = 64;
const F32_BYTES = 4;
const F16_BYTES = 2;

/** A part of a tile smaller than this is not worth a graph of its own. */
const MIN_PART_TOKENS = 16;

/** Some consecutive tokens of the batch. */
interface Tile {
  /** First row in the batch's buffers. */
  readonly row: number;
  /** Tokens, and rows with the filling. */
  readonly tokens: number;
  readonly rows: number;
  /** Row of the cache where its sequence begins. */
  readonly firstRow: number;
  /** Cached positions its last token may look at, in whole steps. */
  readonly span: number;
  /** Rows given to the attention kernel, which computes whole tiles four times faster than a few rows less. */
  readonly attentionRows: number;
  /** First element of its mask. */
  readonly mask: number;
  /** After attention only this row goes on: nobody reads the others in the last layer. */
  readonly only?: number;
}

/**
 * Prefill of a batch of tokens, in three stages a layer: project (queries, keys, values), attend and gate, experts.
 * Every thread takes its share of a stage as one graph that it computes alone: tiles of tokens in the first two, groups of
 * experts in the third. Compared with llama.cpp's one large graph, tokens meet an expert as one matrix product instead of one by
 * one, and threads meet three times a layer instead of after each operation. The results do not depend on the number
 * of threads, the batch size, or on which experts are computed elsewhere.
 */
export class TiledPrefill implements Disposable {
  readonly #runtime: Runtime;
  readonly #lanes: Lanes;
  readonly #experts: ExpertRunner;
  readonly #io: NamedTensors<ReturnType<typeof batchBuffers>>;

  /** `batchTokens`: a multiple of {@link TILE_TOKENS}. */
  constructor(runtime: Runtime, batchTokens: number) {
    const { native, backend, threads } = runtime;
    this.#runtime = runtime;
    this.#lanes = new Lanes(native, threads);
    this.#experts = new ExpertRunner(native, runtime.transformer, batchTokens);
    this.#io = new NamedTensors(native, backend.bufferType, batchBuffers(runtime.hyper, runtime.cache, batchTokens));
  }

  /**
   * Computes tokens at consecutive positions from `position` (a multiple of {@link TILE_TOKENS}) on. In the last layer
   * only the cache is filled; for the last batch attention and gate are computed for the last token. → its gate
   * Where `observeUnused` asks for the gates of the others, they are computed before and leave all else as it is.
   */
  async run(
    tokens: readonly number[],
    position: number,
    { isLast, kernel, ...options }: BatchOptions & { readonly kernel: ExpertKernel },
  ): Promise<GateResult | undefined> {
    const tiles = this.#enter(tokens, position, options.region);
    const { hyper } = this.#runtime;
    const [lastBlock, lastLayer] = [hyper.blocks - 1, hyper.layers - 1];
    for (let block = 0; block < lastBlock; block++) {
      await this.#lanes.run(tiles.map((tile) => this.#projectTask(block, tile)));
      await this.#lanes.run(tiles.map((tile) => this.#attendTask(block, tile)));
      const layer = layerOf(hyper, block);
      if (layer !== null) await this.#runExperts(layer, tiles, { ...options, kernel });
    }
    await this.#lanes.run(tiles.map((tile) => this.#projectTask(lastBlock, tile)));
    if (options.observeUnused !== undefined) {
      await this.#lanes.run(tiles.map((tile) => this.#gateOnlyTask(lastBlock, tile)));
      options.observeUnused(lastLayer, this.#chosen(0, isLast ? tokens.length - 1 : tokens.length));
    }
    if (!isLast) return undefined;
    const last = lastToken(tiles);
    await this.#lanes.run([this.#attendTask(lastBlock, last)]);
    const result = this.#gateResult(last.row + (last.only ?? 0));
    options.observe?.(lastLayer, result.chosen);
    return result;
  }

  /** Writes the inputs of the batch, rows of filling repeating the last token. */
  #enter(tokens: readonly number[], position: number, { first: firstRow }: CacheRegion): Tile[] {
    const { views } = this.#io;
    const tiles = this.#cut(tokens.length, position, firstRow);
    this.#runtime.cache.prepare(tiles.at(-1)?.span ?? 0, firstRow);
    for (const tile of tiles) {
      for (let row = tile.row; row < tile.row + tile.rows; row++) {
        const i = Math.min(row, tile.row + tile.tokens - 1);
        views.tokens[row] = tokens[i] as number;
        views.positions[row] = position + i;
        views.cacheRows[row] = BigInt(firstRow + position + i);
      }
      this.#fillMask(views.mask, tile, position);
      const { window } = this.#runtime.hyper;
      if (window !== null) this.#fillMask(views.windowMask, tile, position, window.size);
    }
    return tiles;
  }

  /** `position`: of the batch's first token */
  #fillMask(
    masks: Uint16Array,
    { row: first, tokens, rows, span, mask: at }: Tile,
    position: number,
    window?: number,
  ): void {
    const mask = masks.subarray(at);
    fillCausalMask(mask, { span, firstPosition: position + first, tokens, window });
    for (let row = tokens; row < rows; row++) mask.copyWithin(row * span, (tokens - 1) * span, tokens * span);
  }

  #cut(count: number, position: number, firstRow: number): Tile[] {
    const tiles = Array.from({ length: Math.ceil(count / TILE_TOKENS) }, (_, i) => {
      const row = i * TILE_TOKENS;
      const tokens = Math.min(TILE_TOKENS, count - row);
      const span = this.#runtime.cache.span(position + row + tokens);
      const mask = row * this.#runtime.cache.span(this.#runtime.cache.contextLength);
      return { row, tokens, rows: roundUp(tokens, ROW_TILE), firstRow, span, attentionRows: TILE_TOKENS, mask };
    });
    const [first] = tiles;
    return position === 0 && first !== undefined && first.rows < TILE_TOKENS ? this.#share(first) : tiles;
  }

  /**
   * A sequence shorter than a tile sees so little of the cache that computing its few rows one by one is faster; that
   * kernel does not care which rows come together, so the lanes share them. Parts of many rows have many, too.
   */
  #share(tile: Tile): Tile[] {
    const parts = Math.min(this.#lanes.count, Math.ceil(tile.tokens / MIN_PART_TOKENS));
    const step = roundUp(tile.tokens / parts, ROW_TILE);
    return Array.from({ length: Math.ceil(tile.tokens / step) }, (_, i) => {
      const row = i * step;
      const tokens = Math.min(step, tile.tokens - row);
      const rows = Math.max(roundUp(tokens, ROW_TILE), Math.min(tile.rows, MANY_ROWS));
      return { ...tile, row, tokens, rows, attentionRows: rows, mask: row * tile.span };
    });
  }

  #projectTask(block: number, tile: Tile): LaneTask {
    return { nodes: NODES_PER_BLOCK, build: (g) => this.#buildProject(g, block, tile) };
  }

  #buildProject(g: GraphBuilder, block: number, tile: Tile): void {
    const { transformer, cache } = this.#runtime;
    const x = this.#blockInput(g, block, tile);
    const qkv = transformer.project(g, blockScope(this.#runtime, block), x, this.#positionsOf(g, tile));
    g.expand(this.#pinRows(g, qkv.q, "q", tile));
    const { cacheRows } = this.#io.tensors;
    const into = g.view1d(cacheRows, tile.tokens, tile.row * BigInt64Array.BYTES_PER_ELEMENT);
    cache.write(g, block, qkv, into, tile.tokens);
  }

  /** The residual stream, in its place in the batch: embedded tokens, or what the block before leaves. [hidden, rows] */
  #blockInput(g: GraphBuilder, block: number, tile: Tile): Tensor {
    const { transformer, hyper, weights } = this.#runtime;
    if (block === 0) {
      const tokens = g.view1d(this.#io.tensors.tokens, tile.rows, tile.row * Int32Array.BYTES_PER_ELEMENT);
      const embedded = transformer.embed(g, weights, tokens, this.#positionsOf(g, tile));
      return this.#pinRows(g, embedded, "residual", tile);
    }
    if (layerOf(hyper, block - 1) === null) return this.#rowsOf(g, "residual", tile, hyper.hidden);
    return this.#pinRows(g, this.#joinExperts(g, tile), "residual", tile);
  }

  #positionsOf(g: GraphBuilder, { row, rows }: Tile): Tensor {
    return g.view1d(this.#io.tensors.positions, rows, row * Int32Array.BYTES_PER_ELEMENT);
  }

  /** What the MoE layer before leaves: [hidden, rows] */
  #joinExperts(g: GraphBuilder, tile: Tile): Tensor {
    const { transformer, hyper } = this.#runtime;
    const { hidden, expertsPerToken: k } = hyper;
    const rows = this.#rowsOf(g, "expertRows", { row: tile.row * k, rows: tile.rows * k }, hidden);
    const weights = this.#rowsOf(g, "weights", tile, k);
    const shared = transformer.shared && this.#rowsOf(g, "shared", tile, hidden);
    const h = this.#rowsOf(g, "residual", tile, hidden);
    return combineExperts(g, hyper, { rows, weights, shared, h }, tile.rows);
  }

  #attendTask(block: number, tile: Tile): LaneTask {
    return { nodes: 2 * NODES_PER_BLOCK, build: (g) => this.#buildAttend(g, block, tile) };
  }

  #buildAttend(g: GraphBuilder, block: number, tile: Tile): void {
    const { transformer, hyper } = this.#runtime;
    // Where a whole pass goes on with all rows, the token's gate is computed together with the rows of its tile.
    const only = transformer.cutsLastBlock ? tile.only : undefined;
    const own = only === undefined ? tile : { ...tile, row: tile.row + only, rows: 1 };
    const attended = this.#attend(g, block, tile);
    const kept = only === undefined ? attended : g.rowAt(attended, only);
    const sum = g.add(kept, this.#rowsOf(g, "residual", own, hyper.hidden));
    if (layerOf(hyper, block) === null) {
      g.expand(this.#pinRows(g, recordDense(g, this.#runtime, block, sum), "residual", own));
      return;
    }
    const h = this.#pinRows(g, sum, "residual", own);
    const gate = transformer.gate(g, blockScope(this.#runtime, block), h);
    this.#pinRows(g, gate.input, "input", own);
    this.#pinRows(g, tensorSource(gate.chosen, 0), "sort", own);
    g.expand(this.#pinRows(g, gate.weights, "weights", own));
  }

  /** What the gate chooses, and nothing that a later stage reads. */
  #gateOnlyTask(block: number, tile: Tile): LaneTask {
    return {
      nodes: NODES_PER_BLOCK,
      build: (g) => {
        const { transformer, hyper } = this.#runtime;
        const h = g.add(this.#attend(g, block, tile), this.#rowsOf(g, "residual", tile, hyper.hidden));
        const gate = transformer.gate(g, blockScope(this.#runtime, block), h);
        g.expand(this.#pinRows(g, tensorSource(gate.chosen, 0), "sort", tile));
      },
    };
  }

  /** Without the residual: [hidden, rows of the tile] */
  #attend(g: GraphBuilder, block: number, tile: Tile): Tensor {
    const { transformer, hyper, cache } = this.#runtime;
    const { heads, keyWidth } = hyper;
    const { row, rows, span, attentionRows } = tile;
    const queries = this.#rowsOf(g, "q", { row, rows: attentionRows }, heads * keyWidth);
    const masks = maskOf(hyper, block, this.#io.tensors);
    const mask = g.view2d(masks, [span, attentionRows], span * F16_BYTES, tile.mask * F16_BYTES);
    const q = g.splitHeads(queries, keyWidth, heads);
    const cached = { ...cache.read(g, block, span, tile.firstRow), mask, tokens: rows, byHead: false };
    return transformer.attend(g, blockScope(this.#runtime, block), { q, ...cached });
  }

  #runExperts(
    layer: number,
    tiles: readonly Tile[],
    { observe, remote, kernel }: PassOptions & { readonly kernel: ExpertKernel },
  ): void | Promise<void> {
    const { tensors, views } = this.#io;
    const { bank, hyper } = this.#runtime;
    const tokens = tiles.reduce((sum, tile) => sum + tile.tokens, 0);
    const chosen = this.#chosen(0, tokens);
    observe?.(layer, chosen);
    const { input: inputs, expertRows: outputs, weights } = views;
    const local = async (isHere: (expert: number) => boolean, isAlone: boolean): Promise<void> => {
      const lanes = isAlone ? this.#lanes : this.#lanes.beside;
      await lanes.run(this.#sharedTasks(layer, tiles));
      const rows = routeRows(chosen, hyper.expertsPerToken, isHere);
      const batch = { kernel, rows, input: tensors.input, output: tensors.expertRows };
      await this.#experts.run({ ...batch, holder: bank.holderIn(layer) }, lanes);
    };
    return dispatchExperts(this.#runtime, { layer, kernel, inputs, weights, outputs, chosen }, { remote, local });
  }

  /** The shared experts: none if the model has none. */
  #sharedTasks(layer: number, tiles: readonly Tile[]): LaneTask[] {
    const { hyper, transformer } = this.#runtime;
    const { shared } = transformer;
    if (shared === null) return [];
    const scope = blockScope(this.#runtime, hyper.moeBlocks[layer] as number);
    return tiles.map((tile) => ({
      nodes: NODES_PER_BLOCK,
      build: (g) => {
        const input = this.#rowsOf(g, "input", tile, hyper.hidden);
        g.expand(this.#pinRows(g, shared(g, scope, input), "shared", tile));
      },
    }));
  }

  /** The first k of every token's sorted experts: [k, tokens] */
  #chosen(firstRow: number, tokens: number): Int32Array {
    const { experts, expertsPerToken: k } = this.#runtime.hyper;
    const { sort } = this.#io.views;
    const chosen = new Int32Array(k * tokens);
    for (let t = 0; t < tokens; t++) {
      const from = (firstRow + t) * experts;
      chosen.set(sort.subarray(from, from + k), t * k);
    }
    return chosen;
  }

  #gateResult(row: number): GateResult {
    const { hidden, expertsPerToken: k } = this.#runtime.hyper;
    const { residual, input, weights } = this.#io.views;
    return {
      h: residual.subarray(row * hidden, (row + 1) * hidden),
      input: input.subarray(row * hidden, (row + 1) * hidden),
      weights: weights.subarray(row * k, (row + 1) * k),
      chosen: this.#chosen(row, 1),
    };
  }

  /** Rows of a batch buffer as a matrix, without a copy. */
  #rowsOf(g: GraphBuilder, name: RowBuffer, { row, rows }: Pick<Tile, "row" | "rows">, width: number): Tensor {
    const stride = width * F32_BYTES;
    return g.view2d(this.#io.tensors[name], [width, rows], stride, row * stride);
  }

  /** Makes a graph write `result` ([…, rows of the tile]) into the tile's rows of a batch buffer. */
  #pinRows(g: GraphBuilder, result: Tensor, name: RowBuffer | "sort", tile: Tile): Tensor {
    return this.#io.pin(g, result, name, tile.row * this.#rowBytes(name));
  }

  #rowBytes(name: RowBuffer | "sort"): number {
    const { hidden, heads, keyWidth, experts, expertsPerToken } = this.#runtime.hyper;
    const widths = {
      residual: hidden,
      input: hidden,
      shared: hidden,
      q: heads * keyWidth,
      sort: experts,
      weights: expertsPerToken,
    };
    return (name === "expertRows" ? hidden : widths[name]) * F32_BYTES;
  }

  [Symbol.dispose](): void {
    this.#experts[Symbol.dispose]();
    this.#io[Symbol.dispose]();
    this.#lanes[Symbol.dispose]();
  }
}

type RowBuffer = "residual" | "q" | "input" | "shared" | "weights" | "expertRows";

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * The last token, with rows before it: the output projection of a whole pass has them too, and a row by itself, or among
 * few where there are many, would be rounded in another way.
 */
function lastToken(tiles: readonly Tile[]): Tile {
  const last = tiles.at(-1) as Tile;
  const rows = Math.min(last.rows, MANY_ROWS);
  const before = last.rows - rows;
  const mask = last.mask + before * last.span;
  return { ...last, row: last.row + before, rows, attentionRows: rows, mask, only: last.tokens - 1 - before };
}

/** What the stages of a batch read and write. */
export function batchBuffers(
  hyper: HyperParameters,
  { contextLength }: Pick<KvCache, "contextLength">,
  tokens: number,
) {
  const { hidden, heads, keyWidth, experts, expertsPerToken: k, sharedWidth } = hyper;
  return {
    tokens: i32(tokens),
    positions: i32(tokens),
    cacheRows: i64(tokens),
    /** One tile's mask behind the other, each with rows as long as its span. */
    mask: f16(cacheSpan(contextLength), tokens),
    windowMask: f16(windowSpan(hyper, cacheSpan(contextLength)), tokens),
    /** Hidden states before attention, then after it, in place. */
    residual: f32(hidden, tokens),
    q: f32(heads * keyWidth, tokens),
    input: f32(hidden, tokens),
    shared: f32(hidden, sharedWidth === 0 ? 1 : tokens),
    sort: i32(experts, tokens),
    weights: f32(k, tokens),
    expertRows: f32(hidden, k * tokens),
  };
}

import type { GraphBuilder, Rope } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { BlockScope, CachedAttention, QueryKeyValue, WeightSpec } from "../architecture.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { TensorFinder } from "../tensor-finder.ts";
import { attention } from "./attention.ts";
import { linear, type Norm, normalise } from "./linear.ts";
import type { AttentionPart } from "./part.ts";

export interface GroupedQueryOptions {
  /** Of the block's input. */
  readonly norm: Norm;
  /** `null` where positions are in the embeddings. */
  readonly rope: Rope | null;
  /** Queries and keys are normalised head by head, all heads as one row, or not. Default: not. */
  readonly normQueries?: "heads" | "row" | "none";
  /** Scores are multiplied with it; 1 / √headWidth by default. */
  readonly scale?: number | undefined;
  /** The scale goes to the queries and not to the scores. */
  readonly scalesQueries?: boolean;
  /** Every head has a learned score that takes probability away from the positions. */
  readonly hasSinks?: boolean;
  /** What the output is multiplied with. */
  readonly residualScale?: number;
}

/** In single precision throughout, as llama.cpp computes it: the last bit differs for some widths. */
export function inverseRoot(width: number): number {
  return Math.fround(1 / Math.fround(Math.sqrt(width)));
}

interface Heads {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
}

/** @throws MODEL_METADATA_INVALID */
function readHeads(keys: ModelKeys): Heads {
  const hidden = keys.count("embedding_length");
  const heads = keys.count("attention.head_count");
  const kvHeads = keys.countOr("attention.head_count_kv", heads);
  if (heads % kvHeads !== 0)
    throw keys.invalid("attention.head_count_kv", `is ${kvHeads}, no divisor of ${heads} heads`);
  return { hidden, heads, kvHeads, headWidth: headWidthOf(keys) };
}

/** Width of a query's head. @throws MODEL_METADATA_INVALID */
export function headWidthOf(keys: ModelKeys): number {
  return keys.countOr("attention.key_length", keys.count("embedding_length") / keys.count("attention.head_count"));
}

/** Attention where groups of query heads share a key and value head (Ainslie et al., 2023). */
export function groupedQuery(keys: ModelKeys, options: GroupedQueryOptions): AttentionPart {
  const heads = readHeads(keys);
  return {
    shape: shapeOf(heads),
    weights: (tensors) => weights(tensors, heads, options),
    project: (g, scope, x, positions) => project(g, { scope, heads, options }, x, positions),
    attend: (g, scope, cached) => attend(g, { scope, heads, options }, cached),
  };
}

function shapeOf({ heads, kvHeads, headWidth }: Heads): AttentionPart["shape"] {
  return { heads, kvHeads, keyWidth: headWidth, valueWidth: headWidth, valuesInKeys: false };
}

function weights(tensors: TensorFinder, heads: Heads, options: GroupedQueryOptions): WeightSpec[] {
  const { hidden, headWidth } = heads;
  const queryWidth = heads.heads * headWidth;
  const keyWidth = heads.kvHeads * headWidth;
  const { normQueries = "none", hasSinks = false } = options;
  const widths = { none: [], heads: [headWidth, headWidth], row: [queryWidth, keyWidth] }[normQueries];
  const norms = ["attn_q_norm", "attn_k_norm"].flatMap((name, i) =>
    widths[i] ? [tensors.vector(name, widths[i])] : [],
  );
  const isStacked = tensors.has("attn_qkv.weight");
  const separate = { attn_q: queryWidth, attn_k: keyWidth, attn_v: keyWidth };
  return [
    ...tensors.norm("attn_norm", hidden),
    ...(isStacked
      ? tensors.linear("attn_qkv", [hidden, queryWidth + 2 * keyWidth])
      : tensors.stacked("attn_qkv", hidden, separate)),
    ...norms,
    ...tensors.linear("attn_output", [queryWidth, hidden]),
    ...(hasSinks ? [tensors.vector("attn_sinks", heads.heads)] : []),
  ];
}

interface Context {
  readonly scope: BlockScope;
  readonly heads: Heads;
  readonly options: GroupedQueryOptions;
}

function project(g: GraphBuilder, context: Context, x: Tensor, positions: Tensor): QueryKeyValue {
  const { scope, options } = context;
  const normed = normalise(g, scope.weights, "attn_norm", x, options.norm);
  const projected = projections(g, context, normed);
  const q = place(g, context, normHeads(g, context, "attn_q_norm", projected.q), positions);
  const k = place(g, context, normHeads(g, context, "attn_k_norm", projected.k), positions);
  return { q: options.scalesQueries === true ? g.scale(q, scaleOf(context)) : q, k, v: projected.v };
}

/** Queries and keys as [headWidth, heads, tokens], values as [headWidth · kvHeads, tokens] */
function projections(g: GraphBuilder, { scope, heads }: Context, normed: Tensor) {
  const { heads: queries, kvHeads, headWidth } = heads;
  if (scope.weights.find("attn_qkv") === undefined) {
    return {
      q: g.splitHeads(linear(g, scope.weights, "attn_q", normed), headWidth, queries),
      k: g.splitHeads(linear(g, scope.weights, "attn_k", normed), headWidth, kvHeads),
      v: linear(g, scope.weights, "attn_v", normed),
    };
  }
  const qkv = linear(g, scope.weights, "attn_qkv", normed); // [(heads + 2 · kvHeads) · headWidth, tokens]
  return {
    q: g.headsAt(qkv, { headWidth, heads: queries, first: 0 }),
    k: g.headsAt(qkv, { headWidth, heads: kvHeads, first: queries }),
    v: g.columnsAt(qkv, kvHeads * headWidth, (queries + kvHeads) * headWidth),
  };
}

function normHeads(g: GraphBuilder, { scope, heads, options }: Context, name: string, x: Tensor): Tensor {
  const { normQueries = "none", norm } = options;
  if (normQueries === "none") return x;
  if (normQueries === "heads") return normalise(g, scope.weights, name, x, norm);
  const row = normalise(g, scope.weights, name, g.besideHeads(x), norm);
  return g.splitHeads(row, heads.headWidth, name === "attn_q_norm" ? heads.heads : heads.kvHeads);
}

/** Applies positions. The result has memory of its own in either case. */
function place(g: GraphBuilder, { scope, options }: Context, x: Tensor, positions: Tensor): Tensor {
  if (options.rope === null) return g.contiguous(x);
  return g.rope(x, positions, options.rope, scope.model.find("rope_factors"));
}

function scaleOf({ heads, options }: Context): number {
  return options.scale ?? inverseRoot(heads.headWidth);
}

function attend(g: GraphBuilder, context: Context, cached: CachedAttention): Tensor {
  const { scope, options, heads } = context;
  const scale = options.scalesQueries === true ? 1 : scaleOf(context);
  const attended = attention(g, cached, shapeOf(heads), { scale, sinks: scope.weights.find("attn_sinks") });
  const output = linear(g, scope.weights, "attn_output", g.firstRows(g.joinHeads(attended), cached.tokens));
  return options.residualScale === undefined ? output : g.scale(output, options.residualScale);
}

import type { GraphBuilder, Rope } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { BlockScope, CachedAttention, QueryKeyValue, WeightSpec } from "../architecture.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { TensorFinder } from "../tensor-finder.ts";
import { attention } from "./attention.ts";
import { type Norm, normalise } from "./linear.ts";
import type { AttentionPart } from "./part.ts";
import { readRope } from "./rope.ts";

/**
 * Multi-head latent attention (DeepSeek-V2, 2024): keys and values of all heads come from one narrow latent state. Files
 * have its matrices in one of two forms: apart for keys and values, and then the latent state itself is cached and
 * attended to (`absorbed`), or as one that expands it to keys and values of every head, which are cached.
 */
interface Latent {
  readonly hidden: number;
  readonly heads: number;
  /** Of the latent state. */
  readonly rank: number;
  /** Queries come from a latent state of their own, of this width; `null` if they come from the hidden states. */
  readonly queryRank: number | null;
  /** Of a query's head: the part without positions, and the part that is rotated. */
  readonly plainWidth: number;
  readonly rotatedWidth: number;
  /** Of an expanded value's head. */
  readonly valueWidth: number;
  readonly isAbsorbed: boolean;
  readonly norm: Norm;
  readonly rope: Rope;
  readonly scale: number;
}

/** @throws MODEL_METADATA_INVALID */
export function latentAttention(keys: ModelKeys, norm: Norm): AttentionPart {
  const latent = readLatent(keys, norm);
  return {
    shape: shapeOf(latent),
    weights: (tensors) => weights(tensors, latent),
    project: (g, scope, x, positions) => project(g, { scope, latent }, x, positions),
    attend: (g, scope, cached) => attend(g, { scope, latent }, cached),
  };
}

/** As the cache has it. */
function shapeOf(latent: Latent): AttentionPart["shape"] {
  const { heads, rank, plainWidth, rotatedWidth, valueWidth } = latent;
  return latent.isAbsorbed
    ? { heads, kvHeads: 1, keyWidth: rank + rotatedWidth, valueWidth: rank, valuesInKeys: true }
    : { heads, kvHeads: heads, keyWidth: plainWidth + rotatedWidth, valueWidth, valuesInKeys: false };
}

function readLatent(keys: ModelKeys, norm: Norm): Latent {
  const isAbsorbed = keys.has("attention.key_length_mla");
  const suffix = isAbsorbed ? "_mla" : "";
  const keyWidth = keys.count(`attention.key_length${suffix}`);
  const rope = readRope(keys, "adjacent", keyWidth);
  const { dimensions: rotatedWidth } = rope;
  const queryRank = keys.countOr("attention.q_lora_rank", 0);
  if (rotatedWidth >= keyWidth) {
    throw keys.invalid("rope.dimension_count", `is ${rotatedWidth}, expected less than the keys' ${keyWidth}`);
  }
  return {
    hidden: keys.count("embedding_length"),
    heads: keys.count("attention.head_count"),
    rank: keys.count("attention.kv_lora_rank"),
    queryRank: queryRank === 0 ? null : queryRank,
    plainWidth: keyWidth - rotatedWidth,
    rotatedWidth,
    valueWidth: keys.count(`attention.value_length${suffix}`),
    isAbsorbed,
    norm,
    rope,
    scale: scoreScale(keys, keyWidth, rope),
  };
}

const single = Math.fround;

/**
 * 1 / √width, times the square of YaRN's temperature, which belongs to the scores of all columns and not to the rotated
 * ones alone. In single precision throughout, as llama.cpp computes it.
 */
function scoreScale(keys: ModelKeys, keyWidth: number, { frequencyScale, magnitude }: Rope): number {
  const growth = single(Math.log(single(1 / frequencyScale)));
  const tenth = single(0.1);
  const multiplier = single(single(keys.numberOr("rope.scaling.yarn_log_multiplier", 0)) / tenth);
  const original = single(magnitude * single(1 + single(tenth * growth)));
  const temperature = single(original * single(1 + single(single(tenth * multiplier) * growth)));
  return single(single(temperature * temperature) / single(Math.sqrt(keyWidth)));
}

function weights(tensors: TensorFinder, latent: Latent): WeightSpec[] {
  const { hidden, heads, rank, queryRank, plainWidth, rotatedWidth, valueWidth, isAbsorbed } = latent;
  const queryWidth = heads * (plainWidth + rotatedWidth);
  const queries =
    queryRank === null
      ? [tensors.matmul("attn_q", [hidden, queryWidth])]
      : [
          tensors.matmul("attn_q_a", [hidden, queryRank]),
          ...tensors.norm("attn_q_a_norm", queryRank),
          tensors.matmul("attn_q_b", [queryRank, queryWidth]),
        ];
  const expansions = isAbsorbed
    ? [
        // Of three dimensions, which the processor's own layout is not for.
        tensors.lookup("attn_k_b", [plainWidth, rank, heads]),
        tensors.lookup("attn_v_b", [rank, valueWidth, heads]),
      ]
    : [tensors.matmul("attn_kv_b", [rank, heads * (plainWidth + valueWidth)])];
  return [
    ...tensors.norm("attn_norm", hidden),
    ...queries,
    tensors.matmul("attn_kv_a_mqa", [hidden, rank + rotatedWidth]),
    ...tensors.norm("attn_kv_a_norm", rank),
    ...expansions,
    tensors.matmul("attn_output", [heads * valueWidth, hidden]),
  ];
}

interface Context {
  readonly scope: BlockScope;
  readonly latent: Latent;
}

function project(g: GraphBuilder, context: Context, x: Tensor, positions: Tensor): QueryKeyValue {
  const { scope, latent } = context;
  const { rank, rotatedWidth, norm, rope } = latent;
  const normed = normalise(g, scope.weights, "attn_norm", x, norm);
  const q = queriesOf(g, context, normed); // [plainWidth + rotatedWidth, heads, tokens]
  const compressed = g.matmul(scope.weights.get("attn_kv_a_mqa"), normed); // [rank + rotatedWidth, tokens]
  const rotated = g.rope(g.columnsAsHead(compressed, rotatedWidth, rank), positions, rope); // [rotatedWidth, 1, tokens]
  const state = normalise(g, scope.weights, "attn_kv_a_norm", g.columnsAt(compressed, rank, 0), norm);
  const keys = { q, state, rotated };
  return latent.isAbsorbed ? absorbed(g, context, keys, positions) : expanded(g, context, keys, positions);
}

function queriesOf(g: GraphBuilder, { scope, latent }: Context, normed: Tensor): Tensor {
  const { heads, plainWidth, rotatedWidth, norm, queryRank } = latent;
  const { weights } = scope;
  if (queryRank === null)
    return g.splitHeads(g.matmul(weights.get("attn_q"), normed), plainWidth + rotatedWidth, heads);
  const state = normalise(g, weights, "attn_q_a_norm", g.matmul(weights.get("attn_q_a"), normed), norm);
  return g.splitHeads(g.matmul(weights.get("attn_q_b"), state), plainWidth + rotatedWidth, heads);
}

interface Projected {
  readonly q: Tensor;
  /** [rank, tokens] */
  readonly state: Tensor;
  /** The keys' part with positions, the same for all heads: [rotatedWidth, 1, tokens] */
  readonly rotated: Tensor;
}

/** Queries in terms of the latent state, which is key and value of one head for all. */
function absorbed(
  g: GraphBuilder,
  { scope, latent }: Context,
  { q, state, rotated }: Projected,
  positions: Tensor,
): QueryKeyValue {
  const { plainWidth, rotatedWidth, rank, rope } = latent;
  const plain = g.swapHeads(g.headColumns(q, plainWidth, 0)); // [plainWidth, tokens, heads]
  const inLatent = g.swapHeads(g.matmul(scope.weights.get("attn_k_b"), plain)); // [rank, heads, tokens]
  const placed = g.rope(g.headColumns(q, rotatedWidth, plainWidth), positions, rope);
  return { q: g.concat(inLatent, placed), k: g.concat(g.splitHeads(state, rank, 1), rotated), v: null };
}

/** Keys and values of every head. */
function expanded(
  g: GraphBuilder,
  { scope, latent }: Context,
  { q, state, rotated }: Projected,
  positions: Tensor,
): QueryKeyValue {
  const { heads, plainWidth, valueWidth, rope } = latent;
  const both = g.splitHeads(g.matmul(scope.weights.get("attn_kv_b"), state), plainWidth + valueWidth, heads);
  return {
    q: g.rope(q, positions, { ...rope, offset: plainWidth }),
    k: g.concat(g.headColumns(both, plainWidth, 0), g.repeatHead(rotated, heads)),
    v: g.joinHeads(g.contiguous(g.headColumns(both, valueWidth, plainWidth))),
  };
}

function attend(g: GraphBuilder, { scope, latent }: Context, cached: CachedAttention): Tensor {
  const attended = attention(g, cached, shapeOf(latent), { scale: latent.scale }); // [width, heads, rows]
  const values = latent.isAbsorbed ? expandValues(g, scope, attended) : attended;
  return g.matmul(scope.weights.get("attn_output"), g.firstRows(g.joinHeads(values), cached.tokens));
}

/** [rank, heads, rows] → [valueWidth, heads, rows] */
function expandValues(g: GraphBuilder, scope: BlockScope, attended: Tensor): Tensor {
  return g.contiguous(g.swapHeads(g.matmul(scope.weights.get("attn_v_b"), g.swapHeads(attended))));
}

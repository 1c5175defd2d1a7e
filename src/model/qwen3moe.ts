import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { GgufFile } from "../gguf/read.ts";
import type {
  Architecture,
  CachedAttention,
  ExpertTensors,
  ExpertWeights,
  Gate,
  HyperParameters,
  LayerScope,
  QueryKeyValue,
  WeightSpec,
} from "./architecture.ts";
import { positiveInteger, requireTensor, requireWeight, stackRows } from "./weight-specs.ts";

/**
 * Qwen3-MoE: grouped-query attention with normalised queries and keys, softmax gate over all experts, top-k weights
 * renormalised, SwiGLU experts, no shared expert. Keys and tensor names as llama.cpp writes them.
 */
export const qwen3moe: Architecture = {
  name: "qwen3moe",
  hyperParameters,
  weights,
  experts,
  embed: (g, weight, tokens) => g.getRows(requireWeight(weight, "token_embd"), tokens),
  project,
  attend,
  gate,
  chosenExperts,
  oneExpert,
  head,
};

function hyperParameters(file: GgufFile): HyperParameters {
  const key = (name: string): string => `qwen3moe.${name}`;
  const count = (name: string): number => positiveInteger(file, key(name));
  const hidden = count("embedding_length");
  const heads = count("attention.head_count");
  const headWidth = file.metadata.numberOr(key("attention.key_length"), hidden / heads);
  const expertsPerToken = count("expert_used_count");
  const contextLength = count("context_length");
  return {
    layers: count("block_count"),
    hidden,
    heads,
    kvHeads: count("attention.head_count_kv"),
    headWidth,
    experts: count("expert_count"),
    expertsPerToken,
    sharedExperts: 0,
    expertWidth: file.metadata.numberOr(
      key("expert_feed_forward_length"),
      file.metadata.numberOr(key("feed_forward_length"), 0) / expertsPerToken,
    ),
    vocabulary: requireTensor(file, "token_embd.weight").shape[1] ?? 0,
    contextLength,
    epsilon: file.metadata.number(key("attention.layer_norm_rms_epsilon")),
    rope: {
      dimensions: headWidth,
      base: file.metadata.numberOr(key("rope.freq_base"), 10_000),
      trainedContext: contextLength,
    },
  };
}

function weights(file: GgufFile, hyper: HyperParameters): readonly WeightSpec[] {
  const { hidden, vocabulary, layers } = hyper;
  const output = file.tensors.has("output.weight") ? "output.weight" : "token_embd.weight";
  return [
    { name: "token_embd", parts: [requireTensor(file, "token_embd.weight", [hidden, vocabulary])], use: "lookup" },
    { name: "output_norm", parts: [requireTensor(file, "output_norm.weight", [hidden])], use: "vector" },
    { name: "output", parts: [requireTensor(file, output, [hidden, vocabulary])], use: "matmul" },
    ...Array.from({ length: layers }, (_, layer) => layerWeights(file, hyper, layer)).flat(),
  ];
}

function layerWeights(file: GgufFile, hyper: HyperParameters, layer: number): WeightSpec[] {
  const { hidden, headWidth, heads, kvHeads, experts: expertCount } = hyper;
  const tensor = (name: string, shape: readonly number[]) => requireTensor(file, `blk.${layer}.${name}.weight`, shape);
  const matmul = (name: string, shape: readonly number[]): WeightSpec => ({
    name: `blk.${layer}.${name}`,
    parts: [tensor(name, shape)],
    use: "matmul",
  });
  const vector = (name: string, width: number): WeightSpec => ({
    name: `blk.${layer}.${name}`,
    parts: [tensor(name, [width])],
    use: "vector",
  });
  return [
    vector("attn_norm", hidden),
    ...stackRows(`blk.${layer}.attn_qkv`, [
      matmul("attn_q", [hidden, heads * headWidth]),
      matmul("attn_k", [hidden, kvHeads * headWidth]),
      matmul("attn_v", [hidden, kvHeads * headWidth]),
    ]),
    vector("attn_q_norm", headWidth),
    vector("attn_k_norm", headWidth),
    matmul("attn_output", [heads * headWidth, hidden]),
    vector("ffn_norm", hidden),
    matmul("ffn_gate_inp", [hidden, expertCount]),
  ];
}

function experts(file: GgufFile, hyper: HyperParameters): readonly ExpertTensors[] {
  const { hidden, expertWidth, experts: count, layers } = hyper;
  return Array.from({ length: layers }, (_, layer) => ({
    gate: requireTensor(file, `blk.${layer}.ffn_gate_exps.weight`, [hidden, expertWidth, count]),
    up: requireTensor(file, `blk.${layer}.ffn_up_exps.weight`, [hidden, expertWidth, count]),
    down: requireTensor(file, `blk.${layer}.ffn_down_exps.weight`, [expertWidth, hidden, count]),
  }));
}

function project(g: GraphBuilder, scope: LayerScope, x: Tensor, positions: Tensor): QueryKeyValue {
  const { hyper } = scope;
  const { epsilon, rope } = hyper;
  const normed = g.rmsNorm(x, named(scope, "attn_norm"), epsilon);
  const { q, k, v } = projections(g, scope, normed);
  return {
    q: g.rope(g.rmsNorm(q, named(scope, "attn_q_norm"), epsilon), positions, rope),
    k: g.rope(g.rmsNorm(k, named(scope, "attn_k_norm"), epsilon), positions, rope),
    v,
  };
}

function projections(g: GraphBuilder, scope: LayerScope, normed: Tensor): QueryKeyValue {
  const { heads, kvHeads, headWidth } = scope.hyper;
  const stacked = scope.weight(`blk.${scope.layer}.attn_qkv`);
  if (stacked === undefined) {
    const project = (name: string): Tensor => g.matmul(named(scope, name), normed);
    return {
      q: g.splitHeads(project("attn_q"), headWidth, heads),
      k: g.splitHeads(project("attn_k"), headWidth, kvHeads),
      v: project("attn_v"),
    };
  }
  const qkv = g.matmul(stacked, normed); // [(heads + 2 · kvHeads) · headWidth, tokens]
  return {
    q: g.headsAt(qkv, { headWidth, heads, first: 0 }),
    k: g.headsAt(qkv, { headWidth, heads: kvHeads, first: heads }),
    v: g.columnsAt(qkv, kvHeads * headWidth, (heads + kvHeads) * headWidth),
  };
}

function attend(g: GraphBuilder, scope: LayerScope, { q, k, v, mask, tokens, byHead }: CachedAttention): Tensor {
  // In single precision throughout, as llama.cpp computes it: the last bit differs for some widths.
  const scale = Math.fround(1 / Math.fround(Math.sqrt(scope.hyper.headWidth)));
  const attended = byHead ? g.attentionByHead(q, k, v, mask, scale) : g.attention(q, k, v, mask, scale); // [headWidth, heads, rows]
  return g.matmul(named(scope, "attn_output"), g.firstRows(g.joinHeads(attended), tokens));
}

function gate(g: GraphBuilder, scope: LayerScope, h: Tensor): Gate {
  const { experts: count, expertsPerToken, epsilon } = scope.hyper;
  const input = g.rmsNorm(h, named(scope, "ffn_norm"), epsilon);
  const probabilities = g.softmax(g.matmul(named(scope, "ffn_gate_inp"), input)); // [experts, tokens]
  const chosen = g.topK(probabilities, expertsPerToken);
  return { input, chosen, weights: g.normaliseRows(g.pick(probabilities, chosen, count, expertsPerToken)) };
}

function chosenExperts(g: GraphBuilder, stack: ExpertWeights, x: Tensor, ids: Tensor): Tensor {
  if (stack.kind === "fused") {
    return g.matmulExperts(stack.down, g.swiglu(g.matmulExperts(stack.gateUp, x, ids)), ids);
  }
  const up = g.matmulExperts(stack.up, x, ids);
  return g.matmulExperts(stack.down, g.swigluSplit(g.matmulExperts(stack.gate, x, ids), up), ids);
}

function oneExpert(g: GraphBuilder, expert: ExpertWeights, x: Tensor): Tensor {
  if (expert.kind === "fused") return g.matmul(expert.down, g.swiglu(g.matmul(expert.gateUp, x)));
  return g.matmul(expert.down, g.swigluSplit(g.matmul(expert.gate, x), g.matmul(expert.up, x)));
}

function head(g: GraphBuilder, weight: LayerScope["weight"], x: Tensor, hyper: HyperParameters): Tensor {
  const normed = g.rmsNorm(x, requireWeight(weight, "output_norm"), hyper.epsilon);
  return g.matmul(requireWeight(weight, "output"), normed);
}

function named(scope: LayerScope, name: string): Tensor {
  return requireWeight(scope.weight, `blk.${scope.layer}.${name}`);
}

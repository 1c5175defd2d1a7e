import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HyperParameters, Transformer, WeightSpec, Weights, Window } from "./architecture.ts";
import { linear, type Norm, normalise } from "./blocks/linear.ts";
import type { AttentionPart, ExpertsPart, FeedForwardPart, GatePart } from "./blocks/part.ts";
import type { ModelKeys } from "./model-keys.ts";
import { requireTensor } from "./require-tensor.ts";
import { TensorFinder } from "./tensor-finder.ts";

/** A feed-forward network beside the routed experts, and the width inside it. */
export interface SizedNetwork {
  readonly part: FeedForwardPart;
  readonly width: number;
}

/** Experts that every token goes to: the width inside all of them together, and how many they are. */
export interface SharedNetwork extends SizedNetwork {
  readonly count: number;
}

/** What families differ in. */
export interface TransformerParts {
  readonly attention: AttentionPart;
  readonly gate: GatePart;
  readonly experts: ExpertsPart;
  readonly expertWidth: number;
  readonly shared?: SharedNetwork | null;
  /** Of blocks without experts. */
  readonly dense?: SizedNetwork | null;
  /** Blocks with experts; all by default. */
  readonly hasExperts?: (block: number) => boolean;
  /** Before the head. */
  readonly norm: Norm;
  readonly window?: Window | null;
  /** Positions are learned and added to the embeddings. */
  readonly hasLearnedPositions?: boolean;
  readonly embeddingScale?: number;
  readonly residualScale?: number;
  /** What the logits are divided by. */
  readonly logitScale?: number;
  /** The tensor that divides the frequencies of rotary embedding, if there is one. */
  readonly ropeFactors?: string | null;
  readonly cutsLastBlock?: boolean;
}

/**
 * A transformer of its parts: embedding, blocks of attention and experts, head.
 * @throws MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function composeTransformer(keys: ModelKeys, parts: TransformerParts): Transformer {
  const { file } = keys;
  const hyper = readHyperParameters(keys, parts);
  const { attention, gate, experts, shared = null, dense = null, residualScale = 1, cutsLastBlock = true } = parts;
  return {
    hyper,
    cutsLastBlock,
    weights: [...modelWeights(file, hyper, parts), ...blockWeights(file, hyper, parts)],
    experts: hyper.moeBlocks.map((block) => experts.tensors(tensorsOf(file, block))),
    embed: (g, weights, tokens, positions) => embed(g, weights, { tokens, positions }, parts),
    project: attention.project,
    attend: attention.attend,
    dense: (g, scope, h) => {
      if (dense === null) throw new Error(`block ${scope.block} has experts`);
      const output = dense.part.apply(g, scope, h);
      return residualScale === 1 ? output : g.scale(output, residualScale);
    },
    gate: gate.gate,
    shared: shared?.part.apply ?? null,
    chosenExperts: experts.chosenExperts,
    oneExpert: experts.oneExpert,
    head: (g, weights, x) => head(g, weights, x, parts),
  };
}

function tensorsOf(file: GgufFile, block: number): TensorFinder {
  return new TensorFinder(file, `blk.${block}.`);
}

function readHyperParameters(keys: ModelKeys, parts: TransformerParts): HyperParameters {
  const { attention, shared, dense, window = null, residualScale = 1, hasExperts = () => true } = parts;
  // The last blocks of some files predict further tokens; the model does without.
  const blocks = keys.count("block_count") - keys.countOr("nextn_predict_layers", 0);
  const moeBlocks = Array.from({ length: blocks }, (_, block) => block).filter(hasExperts);
  if (moeBlocks.at(-1) !== blocks - 1) {
    throw keys.invalid(
      "block_count",
      `is ${blocks} with experts in [${moeBlocks}], expected experts in the last block`,
    );
  }
  return {
    blocks,
    moeBlocks,
    layers: moeBlocks.length,
    hidden: keys.count("embedding_length"),
    ...attention.shape,
    window,
    ...readExpertCounts(keys),
    sharedExperts: shared?.count ?? 0,
    expertWidth: parts.expertWidth,
    sharedWidth: shared?.width ?? 0,
    denseWidth: dense?.width ?? 0,
    residualScale,
    vocabulary: requireTensor(keys.file, "token_embd.weight").shape[1] ?? 0,
    contextLength: keys.count("context_length"),
  };
}

function readExpertCounts(keys: ModelKeys): Pick<HyperParameters, "experts" | "expertsPerToken"> {
  const experts = keys.count("expert_count");
  const expertsPerToken = keys.count("expert_used_count");
  if (expertsPerToken <= experts) return { experts, expertsPerToken };
  throw keys.invalid("expert_used_count", `is ${expertsPerToken}, more than the ${experts} experts`);
}

function modelWeights(
  file: GgufFile,
  { hidden, vocabulary, contextLength }: HyperParameters,
  { hasLearnedPositions = false, ropeFactors = null }: TransformerParts,
): WeightSpec[] {
  const tensors = new TensorFinder(file);
  const embeddings = tensors.lookup("token_embd", [hidden, vocabulary]);
  const isTied = !tensors.has("output.weight");
  return [
    embeddings,
    ...(hasLearnedPositions ? [tensors.lookup("position_embd", [hidden, contextLength])] : []),
    ...(ropeFactors === null ? [] : [{ ...tensors.lookup(ropeFactors), name: "rope_factors" }]),
    ...tensors.norm("output_norm", hidden),
    isTied ? { ...embeddings, name: "output", use: "matmul" as const } : tensors.matmul("output", [hidden, vocabulary]),
    ...tensors.bias("output", vocabulary),
  ];
}

function blockWeights(file: GgufFile, { blocks, moeBlocks }: HyperParameters, parts: TransformerParts): WeightSpec[] {
  const { attention, gate, shared, dense } = parts;
  return Array.from({ length: blocks }, (_, block) => {
    const tensors = tensorsOf(file, block);
    const after = moeBlocks.includes(block) ? [gate, shared?.part] : [dense?.part];
    return [attention, ...after].flatMap((part) => part?.weights(tensors) ?? []);
  }).flat();
}

function embed(
  g: GraphBuilder,
  weights: Weights,
  { tokens, positions }: { readonly tokens: Tensor; readonly positions: Tensor },
  { hasLearnedPositions = false, embeddingScale = 1 }: TransformerParts,
): Tensor {
  const embedded = g.getRows(weights.get("token_embd"), tokens);
  const scaled = embeddingScale === 1 ? embedded : g.scale(embedded, embeddingScale);
  return hasLearnedPositions ? g.add(scaled, g.getRows(weights.get("position_embd"), positions)) : scaled;
}

function head(g: GraphBuilder, weights: Weights, x: Tensor, { norm, logitScale = 1 }: TransformerParts): Tensor {
  const logits = linear(g, weights, "output", normalise(g, weights, "output_norm", x, norm));
  return logitScale === 1 ? logits : g.scale(logits, Math.fround(1 / logitScale));
}

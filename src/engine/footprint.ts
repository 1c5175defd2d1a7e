import type { TensorShape } from "../ggml/memory.ts";
import { nativeShape, type SharedTensor } from "../ggml/named-tensors.ts";
import { alignUp } from "../gguf/alignment.ts";
import type { GgufFile } from "../gguf/read.ts";
import { type GgmlType, TYPE_TRAITS, tensorBytes } from "../gguf/types.ts";
import { type HyperParameters, isSmallModel, NODES_PER_BLOCK, type WeightSpec } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import { KEPT_BATCHES } from "./batched-passes.ts";
import { type CallRunnerOptions, callBuffers } from "./call-runner.ts";
import type { Numerics } from "./create-passes.ts";
import { SHORT_PROMPT } from "./default-passes.ts";
import { allExperts, type ExpertSelection, expertBytes, MEMORY_ALIGNMENT } from "./expert-bank.ts";
import type { ExpertEngineOptions } from "./expert-engine.ts";
import { MAX_GROUP_ROWS, rowLists } from "./expert-runner.ts";
import { type CacheSize, cacheSpan, cacheTensors } from "./kv-cache.ts";
import { layerBuffers } from "./layer-graphs.ts";
import { KEPT_PASSES } from "./pass-cache.ts";
import { BATCH_TOKENS } from "./pass-strategy.ts";
import { tiledRows } from "./row-tiles.ts";
import { batchBuffers, TILE_TOKENS } from "./tiled-prefill.ts";
import { type PassShape, wholeBuffers } from "./whole-pass.ts";

/** Memory that a function takes besides its process, in bytes, when it works at the limits it is made for. */
export interface Footprint {
  /** Of weights, as they are kept. */
  readonly weightBytes: number;
  /** Keys and values of a whole context. */
  readonly cacheBytes: number;
  /** Inputs, results, masks and scratch of the passes. */
  readonly bufferBytes: number;
  /** What downloading weights takes; 0 for a model on disk. */
  readonly downloadBytes: number;
}

export interface MainFootprintOptions {
  /** Defaults to what the model was trained on. */
  readonly contextLength?: number | undefined;
  /** Sequences that are computed together at most. Defaults to 1. */
  readonly parallel?: number | undefined;
  readonly threads: number;
  readonly numerics?: Numerics | undefined;
  /** Experts it holds; all by default. */
  readonly experts?: ExpertSelection | null | undefined;
}

/**
 * What an engine without a device takes, from the file's header alone.
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function mainFootprint(file: GgufFile, options: MainFootprintOptions): Footprint {
  const { hyper, weights } = readTransformer(file, options.contextLength);
  const { contextLength = hyper.contextLength, numerics = "default", parallel = 1, threads } = options;
  const selection = options.experts ?? allExperts(hyper.layers, hyper.experts);
  const isComplete = selection.every((held) => held.length === hyper.experts);
  const passes = numerics === "exact" ? exactBytes : parallel === 1 ? defaultBytes : batchedBytes;
  return {
    weightBytes: storedBytes(weights) + bankBytes(file, selection),
    cacheBytes: memoryBytes(cacheTensors(hyper, { contextLength, parallel })),
    bufferBytes: passes(hyper, { contextLength, parallel, threads, isComplete }),
    downloadBytes: downloadBytes(file),
  };
}

/**
 * What an {@link ExpertEngine} takes, from the file's header alone.
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function expertsFootprint(
  file: GgufFile,
  { experts, ...options }: CallRunnerOptions & { readonly experts: ExpertEngineOptions["selection"] },
): Footprint {
  const hyper = readTransformer(file).hyper;
  return {
    weightBytes: bankBytes(file, experts),
    cacheBytes: 0,
    bufferBytes: callRunnerBytes(hyper, options),
    downloadBytes: downloadBytes(file),
  };
}

/** Measured: runs on their way into tensors, connections, and what they brought until it is collected. */
const DOWNLOAD_BYTES = 48 * 2 ** 20;

function downloadBytes({ parts }: GgufFile): number {
  return parts.some(({ type }) => type === "web") ? DOWNLOAD_BYTES : 0;
}

/** Everything that a function takes besides its process, in bytes. */
export function footprintBytes({ weightBytes, cacheBytes, bufferBytes, downloadBytes }: Footprint): number {
  return weightBytes + cacheBytes + bufferBytes + downloadBytes;
}

function bankBytes(file: GgufFile, selection: ExpertSelection): number {
  const { experts } = readTransformer(file);
  return sum(experts.map((tensors, layer) => expertBytes(tensors, selection[layer]?.length ?? 0)));
}

/** A matrix of two uses is kept twice if one of them may rearrange it. */
function storedBytes(specs: readonly WeightSpec[]): number {
  const place = ({ parts, use }: WeightSpec): string => {
    const isRearranged = use === "matmul" && parts.every(({ type }) => TYPE_TRAITS[type].blockElements > 1);
    return `${parts.map(({ source, offset }) => `${source.path}:${offset}`)} ${isRearranged}`;
  };
  const unique = new Map(specs.map((spec) => [place(spec), spec.parts]));
  return sum([...unique.values()].map((parts) => aligned(sum(parts.map(({ bytes }) => bytes)))));
}

interface PassNeeds extends CacheSize {
  readonly threads: number;
  readonly isComplete: boolean;
}

/** {@link DefaultPasses} */
function defaultBytes(hyper: HyperParameters, { contextLength, threads, isComplete }: PassNeeds): number {
  const span = cacheSpan(contextLength);
  const kept = Math.min(KEPT_PASSES, span / cacheSpan(1));
  const layered = passBytes(hyper, layerBuffers(hyper, { rows: 1, span }), 1);
  const whole = isComplete ? wholeBytes(hyper, { tokens: 1, span }) : 0;
  const isShort = isComplete && isSmallModel(hyper);
  const short = isShort ? KEPT_PASSES * wholeBytes(hyper, { tokens: SHORT_PROMPT, span: cacheSpan(SHORT_PROMPT) }) : 0;
  const batch = bufferBytes(batchBuffers(hyper, { contextLength }, BATCH_TOKENS));
  return kept * (layered + whole) + short + batch + runnerBytes(hyper, { threads, maxTokens: BATCH_TOKENS });
}

/** {@link BatchedPasses} */
function batchedBytes(hyper: HyperParameters, { contextLength, parallel, threads }: PassNeeds): number {
  const shape = { rows: tiledRows(parallel), span: parallel * cacheSpan(contextLength) };
  const last = passBytes(hyper, layerBuffers(hyper, { rows: 1, span: cacheSpan(1) }), 1);
  const batch = bufferBytes(batchBuffers(hyper, { contextLength }, BATCH_TOKENS));
  const batched = KEPT_BATCHES * passBytes(hyper, layerBuffers(hyper, shape), shape.rows);
  return last + batched + batch + runnerBytes(hyper, { threads, maxTokens: BATCH_TOKENS });
}

/** {@link ExactPasses} */
function exactBytes(hyper: HyperParameters, { contextLength }: PassNeeds): number {
  const span = cacheSpan(contextLength);
  const kept = Math.min(KEPT_PASSES, span / cacheSpan(1));
  const batch = { tokens: Math.min(BATCH_TOKENS, contextLength), span };
  return kept * wholeBytes(hyper, { tokens: 1, span }) + wholeBytes(hyper, batch);
}

function wholeBytes(hyper: HyperParameters, shape: PassShape): number {
  return passBytes(hyper, wholeBuffers(hyper, shape), shape.tokens);
}

/** A pass that is kept: its graphs, what they read and write, and their scratch. */
function passBytes(hyper: HyperParameters, buffers: Buffers, tokens: number): number {
  const graphs = NODE_BYTES * NODES_PER_BLOCK * (hyper.blocks + 1);
  return graphs + bufferBytes(buffers) + tokens * scratchPerToken(hyper);
}

/** {@link CallRunner} */
function callRunnerBytes(hyper: HyperParameters, options: CallRunnerOptions): number {
  return bufferBytes(callBuffers(hyper, options.maxTokens)) + runnerBytes(hyper, options);
}

/** {@link ExpertRunner} with its lanes: row lists, and scratch of a tile of tokens or a group of rows in each lane. */
function runnerBytes(hyper: HyperParameters, { threads, maxTokens }: CallRunnerOptions): number {
  const tile = TILE_TOKENS * scratchPerToken(hyper);
  const group = MAX_GROUP_ROWS * F32_BYTES * (2 * hyper.hidden + 3 * hyper.expertWidth);
  return bufferBytes(rowLists(hyper, maxTokens)) + threads * Math.max(tile, group);
}

/**
 * Most intermediate results that one token has at a time: in attention, in a feed-forward network, in its experts, or
 * where their rows are joined.
 */
function scratchPerToken(hyper: HyperParameters): number {
  const { hidden, heads, kvHeads, keyWidth, valueWidth, expertsPerToken: k, expertWidth } = hyper;
  const attention = 2 * (heads + kvHeads) * (keyWidth + valueWidth);
  const network = 3 * Math.max(hyper.denseWidth, hyper.sharedWidth) + hidden;
  const experts = k * (3 * expertWidth + hidden);
  const join = 2 * k * hidden;
  return F32_BYTES * (2 * hidden + Math.max(attention, network, experts, join));
}

const F32_BYTES = 4;
/** Descriptor of an operation, and its place in the graph's lists. */
const NODE_BYTES = 400;

type Buffers = Readonly<Record<string, SharedTensor>>;

function bufferBytes(buffers: Buffers): number {
  return memoryBytes(Object.values(buffers).map(nativeShape));
}

function memoryBytes(tensors: readonly TensorShape[]): number {
  return sum(tensors.map(({ type, shape }) => aligned(tensorBytes(type as GgmlType, shape))));
}

function aligned(bytes: number): number {
  return alignUp(bytes, MEMORY_ALIGNMENT);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

import { z } from "zod";
import type { Specs } from "../../planner/problem.ts";
import { datedData, positive } from "./dated-data.ts";
import deepseekV2Lite from "./shapes/deepseek-v2-lite.json" with { type: "json" };
import deepseekV3 from "./shapes/deepseek-v3.json" with { type: "json" };
import gpt2Moe from "./shapes/gpt2-moe.json" with { type: "json" };
import olmoe from "./shapes/olmoe-1b-7b.json" with { type: "json" };
import qwen3 from "./shapes/qwen3-30b-a3b.json" with { type: "json" };

const count = z.int().positive();
const maybe = z.int().min(0);
const range = z.strictObject({ fromMb: count, toMb: count });

const modelShape = z
  .strictObject({
    ...datedData,
    weights: z.enum(["f32", "f16", "f8"]),
    hidden: count,
    vocabulary: count,
    /** Whether the output head is the embedding. */
    isHeadTied: z.boolean(),
    /** Layers without experts, and the parameters of one's MLP. */
    denseLayers: maybe,
    denseParameters: maybe,
    /** L: layers with experts. */
    layers: count,
    experts: count,
    expertsPerToken: count,
    sharedExperts: maybe,
    expertWidth: count,
    /** 3 with a gated activation, otherwise 2. */
    matricesPerExpert: count,
    /** Of one layer, and how they come about. */
    attentionParameters: count,
    attentionFormula: z.string().min(1),
    /** Keys and values of one token in one layer. */
    cacheBytesPerToken: count,
    /** Sizes that functions are tried with. */
    specs: z.strictObject({ main: range, experts: range, stepMb: positive, maxReplicas: count }),
  })
  .readonly();

/** What of a published model decides its times and sizes. */
export type ModelShape = z.infer<typeof modelShape>;

const BYTES_PER_WEIGHT = { f32: 4, f16: 2, f8: 1 };

export const SHAPES: ReadonlyMap<string, ModelShape> = new Map(
  [deepseekV2Lite, gpt2Moe, olmoe, qwen3, deepseekV3].map((file) => [file.name, modelShape.parse(file)]),
);

/** Counts of weights; norms and biases are left out. */
export interface Parameters {
  /** One routed expert. */
  readonly expert: number;
  /** All layers without their routed experts: attention, gates, shared experts, dense MLPs. */
  readonly layers: number;
  /** Output head. */
  readonly head: number;
  readonly embedding: number;
  /** All of it. */
  readonly total: number;
}

export function countParameters(shape: ModelShape): Parameters {
  const expert = shape.matricesPerExpert * shape.hidden * shape.expertWidth;
  const attention = (shape.layers + shape.denseLayers) * shape.attentionParameters;
  const gates = shape.layers * shape.hidden * shape.experts;
  const shared = shape.layers * shape.sharedExperts * expert;
  const layers = attention + gates + shared + shape.denseLayers * shape.denseParameters;
  const head = shape.vocabulary * shape.hidden;
  const embedding = shape.isHeadTied ? 0 : head;
  return { expert, layers, head, embedding, total: layers + head + embedding + shape.layers * shape.experts * expert };
}

export function bytesPerWeight({ weights }: ModelShape): number {
  return BYTES_PER_WEIGHT[weights];
}

/** The sizes that the paper's experiments, or ours in their manner, let functions have. */
export function specsOf({ specs: { main, experts, stepMb, maxReplicas } }: ModelShape): Specs {
  return { main: steps(main, stepMb), experts: steps(experts, stepMb), maxReplicas };
}

function steps({ fromMb, toMb }: z.infer<typeof range>, stepMb: number): number[] {
  return Array.from({ length: Math.floor((toMb - fromMb) / stepMb) + 1 }, (_, i) => fromMb + i * stepMb);
}

import type { SynthNumbers, SynthShape } from "./shape.ts";
import { SYNTH_SHAPES } from "./shapes.ts";

const NUMBERS = {
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headWidth: 16,
  experts: 8,
  expertsPerToken: 2,
  expertWidth: 64,
  vocabulary: 320,
  contextLength: 512,
  epsilon: 1e-5,
  ropeBase: 10_000,
} as const;

/** A first dense layer, then two with experts. */
const AFTER_DENSE = { layers: 3, denseLayers: 1, denseWidth: 128 } as const;

/** DeepSeek-V2-Lite's parts. */
const LATENT = {
  ...NUMBERS,
  ...AFTER_DENSE,
  architecture: "deepseek2",
  kvHeads: 4,
  headWidth: 48,
  ropeWidth: 16,
  valueWidth: 32,
  kvRank: 64,
  keyValueMatrix: "split",
  sharedExperts: 2,
  expertsScale: 1,
  yarn: { factor: 4, trainedContext: 128 },
  yarnAttentionScale: 0.8,
} as const;

/** GLM-4.5-Air's parts. */
const GLM4 = {
  ...NUMBERS,
  ...AFTER_DENSE,
  architecture: "glm4moe",
  nextnLayers: 1,
  ropeWidth: 8,
  sharedExperts: 1,
  expertsScale: 1,
} as const;

/** The smallest models of every architecture that have all its parts, for tests: up to 3 MB in F32. */
export const TINY_SHAPES = {
  qwen3moe: SYNTH_SHAPES.tiny,
  qwen2moe: { ...NUMBERS, architecture: "qwen2moe", sharedWidth: 128 },
  olmoe: { ...NUMBERS, architecture: "olmoe", kvHeads: 4 },
  llama: { ...NUMBERS, architecture: "llama" },
  deepseek2: LATENT,
  /** As files were converted until 2025. */
  "deepseek2-whole": { ...LATENT, keyValueMatrix: "whole" },
  /** As DeepSeek-V3. */
  "deepseek2-v3": {
    ...LATENT,
    queryRank: 64,
    experts: 16,
    expertsPerToken: 4,
    sharedExperts: 1,
    expertsScale: 2.5,
    groupedGate: { groups: 4, groupsPerToken: 2 },
    yarnAttentionScale: 1,
  },
  "gpt-oss": {
    ...NUMBERS,
    architecture: "gpt-oss",
    layers: 4,
    headWidth: 32,
    slidingWindow: 16,
    yarn: { factor: 4, trainedContext: 128 },
  },
  granitemoe: {
    ...NUMBERS,
    architecture: "granitemoe",
    tiedHead: true,
    sharedWidth: 128,
    embeddingScale: 12,
    residualScale: 0.5,
    attentionScale: 0.1,
    logitScale: 6,
  },
  glm4moe: GLM4,
  /** As the large GLM-4.5. */
  "glm4moe-norm": { ...GLM4, queryKeyNorm: true },
  "ernie4_5-moe": {
    ...NUMBERS,
    ...AFTER_DENSE,
    architecture: "ernie4_5-moe",
    tiedHead: true,
    sharedExperts: 2,
    sharedWidth: 128,
  },
  phimoe: { ...NUMBERS, architecture: "phimoe", trainedContext: 128 },
  bailingmoe2: {
    ...NUMBERS,
    ...AFTER_DENSE,
    architecture: "bailingmoe2",
    nextnLayers: 1,
    ropeWidth: 8,
    experts: 16,
    expertsPerToken: 4,
    sharedExperts: 1,
    expertsScale: 2.5,
    groups: 4,
    groupsPerToken: 2,
  },
  gpt2moe: { ...NUMBERS, architecture: "gpt2moe", kvHeads: 4, tiedHead: true },
} as const satisfies Readonly<Record<string, SynthShape>>;

export type TinyShapeName = keyof typeof TINY_SHAPES;

/** What makes a tiny shape's rows wide enough for types with blocks of 256. */
export const WIDE: Partial<SynthNumbers> = { hidden: 256, headWidth: 64, expertWidth: 256 };

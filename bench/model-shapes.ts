import type { SynthQuantName } from "../src/model/synth/quants.ts";
import type { SynthShape } from "../src/model/synth/shape.ts";
import { SYNTH_SHAPES } from "../src/model/synth/shapes.ts";

/** A model that is timed: the widths of a published one, with few layers and a small vocabulary. */
export interface TimedModel {
  /** The published model. */
  readonly name: string;
  readonly shape: SynthShape;
  readonly quant: SynthQuantName;
}

/** Small enough that the head, which all models have, does not hide the layers. */
const VOCABULARY = 32_000;
const CONTEXT = 4096;

const COMMON = { vocabulary: VOCABULARY, contextLength: CONTEXT, epsilon: 1e-5, ropeBase: 10_000 } as const;

function published(name: string, shape: SynthShape, layers: number, quant: SynthQuantName = "Q4_K_M"): TimedModel {
  return { name, shape: { ...shape, layers, vocabulary: VOCABULARY, contextLength: CONTEXT }, quant };
}

/**
 * One of every architecture that libllama knows too, but Phi-3.5: it does not load the file with that model's widths. Those
 * with leading dense layers have one of them.
 */
export const TIMED_MODELS: readonly TimedModel[] = [
  published("Qwen3-30B-A3B", SYNTH_SHAPES["qwen3-30b-a3b"], 3),
  published("OLMoE-1B-7B", SYNTH_SHAPES["olmoe-1b-7b"], 4),
  published("DeepSeek-V2-Lite", SYNTH_SHAPES["deepseek-v2-lite"], 4),
  published("gpt-oss-20b", SYNTH_SHAPES["gpt-oss-20b"], 2, "MXFP4"),
  published("Mixtral-8x7B", SYNTH_SHAPES["mixtral-8x7b"], 2),
  {
    name: "Qwen1.5-MoE-A2.7B",
    quant: "Q4_K_M",
    shape: {
      ...COMMON,
      ...{ architecture: "qwen2moe", layers: 3, hidden: 2048, heads: 16, kvHeads: 16, headWidth: 128 },
      ...{ experts: 60, expertsPerToken: 4, expertWidth: 1408, sharedWidth: 5632 },
    },
  },
  {
    name: "Granite-3.1-3B-A800M",
    quant: "Q4_K_M",
    shape: {
      ...COMMON,
      ...{ architecture: "granitemoe", layers: 6, hidden: 1536, heads: 24, kvHeads: 8, headWidth: 64, tiedHead: true },
      ...{ experts: 40, expertsPerToken: 8, expertWidth: 512 },
      ...{ embeddingScale: 12, residualScale: 0.22, attentionScale: 0.015625, logitScale: 6 },
    },
  },
  {
    name: "GLM-4.5-Air",
    quant: "Q4_K_M",
    shape: {
      ...COMMON,
      ...{ architecture: "glm4moe", layers: 2, hidden: 4096, heads: 96, kvHeads: 8, headWidth: 128, ropeWidth: 64 },
      ...{ experts: 128, expertsPerToken: 8, expertWidth: 1408, sharedExperts: 1, expertsScale: 1 },
      ...{ denseLayers: 1, denseWidth: 10_944 },
    },
  },
  {
    name: "ERNIE-4.5-21B-A3B",
    quant: "Q4_K_M",
    shape: {
      ...COMMON,
      ...{
        architecture: "ernie4_5-moe",
        layers: 3,
        hidden: 2560,
        heads: 20,
        kvHeads: 4,
        headWidth: 128,
        tiedHead: true,
      },
      ...{ experts: 64, expertsPerToken: 6, expertWidth: 1536, sharedExperts: 2, sharedWidth: 3072 },
      ...{ denseLayers: 1, denseWidth: 12_288 },
    },
  },
  {
    name: "Ling-mini-2.0",
    quant: "Q4_K_M",
    shape: {
      ...COMMON,
      ...{ architecture: "bailingmoe2", layers: 3, hidden: 2048, heads: 16, kvHeads: 4, headWidth: 128, ropeWidth: 64 },
      ...{ experts: 256, expertsPerToken: 8, expertWidth: 512, sharedExperts: 1, expertsScale: 2.5 },
      ...{ groups: 8, groupsPerToken: 4, denseLayers: 1, denseWidth: 5120 },
    },
  },
];

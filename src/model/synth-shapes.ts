/** The numbers of a mixture-of-experts model that decide the sizes of its tensors. */
export interface SynthShape {
  readonly layers: number;
  /** Width of a hidden state. */
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Width inside one expert. */
  readonly expertWidth: number;
  readonly vocabulary: number;
  readonly contextLength: number;
}

/** Shapes of published models, and one small enough for tests. */
export const SYNTH_SHAPES = {
  /** 0.4 M parameters. Rows of 64 elements, so no type with blocks of 256. */
  tiny: {
    layers: 2,
    hidden: 64,
    heads: 4,
    kvHeads: 2,
    headWidth: 16,
    experts: 8,
    expertsPerToken: 2,
    expertWidth: 32,
    vocabulary: 320,
    contextLength: 512,
  },
  /** OLMoE-1B-7B (Muennighoff et al., 2024). */
  "olmoe-1b-7b": {
    layers: 16,
    hidden: 2048,
    heads: 16,
    kvHeads: 16,
    headWidth: 128,
    experts: 64,
    expertsPerToken: 8,
    expertWidth: 1024,
    vocabulary: 50_304,
    contextLength: 4096,
  },
  /** Qwen3-30B-A3B (Qwen team, 2025). */
  "qwen3-30b-a3b": {
    layers: 48,
    hidden: 2048,
    heads: 32,
    kvHeads: 4,
    headWidth: 128,
    experts: 128,
    expertsPerToken: 8,
    expertWidth: 768,
    vocabulary: 151_936,
    contextLength: 40_960,
  },
} as const satisfies Readonly<Record<string, SynthShape>>;

export type SynthShapeName = keyof typeof SYNTH_SHAPES;

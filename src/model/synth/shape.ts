/** The numbers that every mixture-of-experts model has and that decide the sizes of its tensors. */
export interface SynthNumbers {
  /** Transformer layers that run. */
  readonly layers: number;
  /** Layers behind them that guess further tokens: real files carry them, and running the model skips them. */
  readonly nextnLayers?: number;
  /** Width of a hidden state. */
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Width of a head's query and key. */
  readonly headWidth: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Width inside one expert. */
  readonly expertWidth: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  /** What normalisations add to the variance. */
  readonly epsilon: number;
  /** The output matrix is the token embedding. */
  readonly tiedHead?: boolean;
}

interface Rotary {
  /** Base of the rotary embedding's frequencies. */
  readonly ropeBase: number;
}

interface PartlyRotary extends Rotary {
  /** Elements of a head that the rotary embedding turns; the others keep no position. */
  readonly ropeWidth: number;
}

/** The first layers have one dense feed-forward network each, no experts. */
interface LeadingDense {
  readonly denseLayers: number;
  readonly denseWidth: number;
}

/** Rotary embedding stretched beyond the context that was trained (Peng et al., YaRN, 2023). */
export interface Yarn {
  readonly factor: number;
  readonly trainedContext: number;
}

/** A gate of DeepSeek-V3: sigmoid scores, corrected by a bias where experts are chosen, chosen out of the best groups. */
export interface GroupedGate {
  readonly groups: number;
  readonly groupsPerToken: number;
}

interface DeepSeek2 extends PartlyRotary, LeadingDense {
  /** Width of the state that keys and values are computed from. */
  readonly kvRank: number;
  /** Width of the state that queries are computed from; without it they come from the hidden state. */
  readonly queryRank?: number;
  /** Width of a head's value. */
  readonly valueWidth: number;
  /** How the matrix from the latent state to keys and values is stored: in halves, or whole as files of before 2025. */
  readonly keyValueMatrix: "split" | "whole";
  readonly sharedExperts: number;
  /** Factor on the sum of the experts. */
  readonly expertsScale: number;
  /** Without it: softmax over all experts, no bias, weights not renormalised, as V2 has it. */
  readonly groupedGate?: GroupedGate;
  readonly yarn?: Yarn;
  /** The softening of attention under YaRN, `mscale_all_dim`. */
  readonly yarnAttentionScale?: number;
}

/** What one architecture has beyond {@link SynthNumbers}, by `general.architecture`. */
interface SynthParts {
  readonly qwen3moe: Rotary;
  /** `sharedWidth`: of the shared expert, which has a gate of its own. */
  readonly qwen2moe: Rotary & { readonly sharedWidth: number };
  readonly olmoe: Rotary;
  /** Mixtral. */
  readonly llama: Rotary;
  readonly deepseek2: DeepSeek2;
  readonly "gpt-oss": Rotary & { readonly slidingWindow: number; readonly yarn: Yarn };
  readonly granitemoe: Rotary & {
    readonly embeddingScale: number;
    readonly residualScale: number;
    readonly attentionScale: number;
    readonly logitScale: number;
    /** Of the shared expert, in the models that have one. */
    readonly sharedWidth?: number;
  };
  readonly glm4moe: PartlyRotary &
    LeadingDense & {
      readonly sharedExperts: number;
      readonly expertsScale: number;
      /** Queries and keys are normalised, as in the largest model. */
      readonly queryKeyNorm?: boolean;
    };
  readonly "ernie4_5-moe": Rotary & LeadingDense & { readonly sharedExperts: number; readonly sharedWidth: number };
  /** `trainedContext`: longer ones turn heads by other angles. */
  readonly phimoe: Rotary & { readonly trainedContext: number };
  readonly bailingmoe2: PartlyRotary &
    LeadingDense &
    GroupedGate & { readonly sharedExperts: number; readonly expertsScale: number };
  /** GPT-2 with experts; positions are learned, one embedding for each. */
  readonly gpt2moe: unknown;
}

export type SynthArchitectureName = keyof SynthParts;

/** The shape of a model: of the named architectures, or of any. */
export type SynthShape<Name extends SynthArchitectureName = SynthArchitectureName> = {
  readonly [Each in Name]: SynthNumbers & { readonly architecture: Each } & SynthParts[Each];
}[Name];

/** How the next token is chosen from the logits. `temperature: 0` is greedy: of the rest, only bias and penalties matter. */
export interface Sampling {
  readonly temperature: number;
  /** Keep the k most probable tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of tokens whose probabilities reach this sum; 1 keeps all. */
  readonly topP: number;
  /** Drop tokens less probable than this share of the most probable one's; 0 drops none. */
  readonly minP: number;
  /** Divide positive (multiply negative) logits of recent tokens by this; 1 changes nothing. */
  readonly repeatPenalty: number;
  /** How many recent tokens the penalties look at. */
  readonly repeatLastN: number;
  /** OpenAI's: subtract this times the token's count among the recent tokens. */
  readonly frequencyPenalty: number;
  /** OpenAI's: subtract this once if the token is among the recent tokens. */
  readonly presencePenalty: number;
  /** Added to a token's logit, by token id. */
  readonly logitBias: Readonly<Record<number, number>>;
  /** Same seed, same prompt, same tokens. The draw at a position depends on (seed, position) alone. */
  readonly seed: number;
}

export const GREEDY: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repeatPenalty: 1,
  repeatLastN: 64,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: {},
  seed: 0,
};

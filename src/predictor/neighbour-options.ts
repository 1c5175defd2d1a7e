/** Of predictors that take the mean of similar prompts. */
export interface NeighbourOptions {
  /** α: how many prompts are similar. */
  readonly alpha: number;
  /** Of the softmax that weights them by similarity; 1 is the paper's plain softmax. */
  readonly temperature: number;
}

/** The paper's. */
export const NEIGHBOUR_DEFAULTS: NeighbourOptions = { alpha: 15, temperature: 1 };

import type { ModelSizes } from "./problem.ts";

export interface RowsAsked {
  readonly layer: number;
  /** m: how many of the layer's experts are remote, the least useful ones. */
  readonly remote: number;
  /** n tokens, each routed to k experts. */
  readonly tokens: number;
}

/** How many rows remote experts have to be ready for: a limit that holds in 95 % of cases. */
export interface LoadBound {
  /** Of all m remote experts of a layer together. */
  rows(asked: RowsAsked): number;
  /** N^up: of the one among them that has most. */
  mostOfOne(asked: RowsAsked): number;
}

/** P(X − E[X] ≥ range √(3n/2)) ≤ e^(−3), about 5 %. */
const EXPONENT = 3;

/**
 * Theorem 1 and Corollary 1 of Remoe (arXiv 2512.18674), corrected for top-k routing and for the constant.
 *
 * X = Σ_i X_i, where X_i counts the rows token i gives to m of K experts. It gives k rows to k different experts, so
 * X_i lies between max(0, k + m − K) and min(k, m): an interval of length r = min(k, m, K − k, K − m). For tokens that
 * choose independently of each other, Hoeffding says P(X − E[X] ≥ t) ≤ exp(−2t² / (n r²)); with t = r √(3n/2) that is
 * e^(−3). Expected is m k n / K where routing is uniform, and less for the m least useful experts. Hence r √(3n/2) + m
 * k n / K, and never more than n min(k, m). For one expert: √(3n/2) + k n / K. The paper prints √(3n)/2, which is
 * e^(−1.5), about 22 %, and n / K.
 *
 * Holds for each layer on its own; for experts that more than a share m/K of the rows go to it says nothing.
 */
export function hoeffdingRows(
  { experts, expertsPerToken: k }: Pick<ModelSizes, "experts" | "expertsPerToken">,
  { remote, tokens }: Pick<RowsAsked, "remote" | "tokens">,
): number {
  const range = Math.min(k, remote, experts - k, experts - remote);
  const deviation = range * Math.sqrt((EXPONENT * tokens) / 2);
  return Math.min(tokens * Math.min(k, remote), deviation + (remote * k * tokens) / experts);
}

/** The same before any request has been seen: needs nothing but the model's shape. */
export function hoeffdingBound(sizes: ModelSizes): LoadBound {
  return {
    rows: (asked) => hoeffdingRows(sizes, asked),
    mostOfOne: ({ remote, tokens }) => hoeffdingRows(sizes, { remote: Math.min(1, remote), tokens }),
  };
}

import type { ActivationMatrix, Shape } from "./example.ts";

/** Jensen–Shannon divergence to base 2 of each layer's rows, in [0, 1]: 0 for equal rows, 1 for rows that never meet. */
export function layerDivergences(first: ActivationMatrix, second: ActivationMatrix, shape: Shape): Float64Array {
  const divergences = new Float64Array(shape.layers);
  for (let layer = 0; layer < shape.layers; layer++) {
    let sum = 0;
    for (let i = layer * shape.experts; i < (layer + 1) * shape.experts; i++) {
      const p = first[i] as number;
      const q = second[i] as number;
      sum += towardsMean(p, q) + towardsMean(q, p);
    }
    divergences[layer] = Math.min(1, Math.max(0, sum / 2));
  }
  return divergences;
}

/** The mean of the layers' divergences: the measure of a predictor. */
export function divergence(first: ActivationMatrix, second: ActivationMatrix, shape: Shape): number {
  return layerDivergences(first, second, shape).reduce((sum, layer) => sum + layer, 0) / shape.layers;
}

/** p log2(p / ((p + q) / 2)) */
function towardsMean(p: number, q: number): number {
  return p === 0 ? 0 : p * Math.log2((2 * p) / (p + q));
}

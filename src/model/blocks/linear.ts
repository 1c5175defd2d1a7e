import type { GraphBuilder } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { Weights } from "../architecture.ts";

/** weight · x, plus the bias where the model has one: [in, tokens] → [out, tokens] */
export function linear(g: GraphBuilder, weights: Weights, name: string, x: Tensor): Tensor {
  const product = g.matmul(weights.get(name), x);
  const bias = weights.find(`${name}.bias`);
  return bias === undefined ? product : g.add(product, bias);
}

/** How hidden states are normalised along the first dimension: by their root mean square, or as LayerNorm does. */
export interface Norm {
  readonly kind: "rms" | "layer";
  readonly epsilon: number;
}

/** x normalised, times the scale, plus the bias where the model has one. */
export function normalise(g: GraphBuilder, weights: Weights, name: string, x: Tensor, norm: Norm): Tensor {
  const normed = norm.kind === "rms" ? g.rmsNorm(x, norm.epsilon) : g.layerNorm(x, norm.epsilon);
  const scaled = g.multiply(normed, weights.get(name));
  const bias = weights.find(`${name}.bias`);
  return bias === undefined ? scaled : g.add(scaled, bias);
}

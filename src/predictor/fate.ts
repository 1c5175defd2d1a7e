import { toActivationMatrix } from "./activation-matrix.ts";
import type { Shape } from "./example.ts";
import type { Predictor } from "./predictor.ts";
import { type Embedding, lengthOf } from "./prompt-vector.ts";

export interface FateOptions {
  readonly shape: Shape;
  readonly embedding: Embedding;
  /** Of each layer, with the scale of the norm before it or without: [experts × dimensions] */
  readonly gates: readonly Float32Array[];
}

/**
 * Fate, adapted to what is known before inference. Fate applies a layer's gate to the hidden state of the layer before;
 * here a token's embedding, normalised to a root mean square of 1, stands for the hidden state of every layer. The
 * prediction is the mean over tokens of the gate's probabilities: wrong states make their top k far worse a guess. Needs
 * no history, and learns nothing from it.
 */
export function createFate({ shape, embedding, gates }: FateOptions): Predictor {
  return {
    name: "fate",
    predict: ({ tokens }) => {
      const sum = new Float64Array(shape.layers * shape.experts);
      for (const token of tokens) {
        const row = embedding(token);
        if (row !== null) addProbabilities(sum, row, gates);
      }
      return toActivationMatrix(sum, shape);
    },
  };
}

/** sum[layer] += softmax(gate x), x = row / √(mean of its squares) */
function addProbabilities(sum: Float64Array, row: Float32Array, gates: readonly Float32Array[]): void {
  const experts = sum.length / gates.length;
  const scale = Math.sqrt(row.length) / (lengthOf(row) || 1);
  for (const [layer, gate] of gates.entries()) {
    const powers = powersOf(gate, row, { experts, scale });
    const total = powers.reduce((all, power) => all + power, 0);
    for (const [expert, power] of powers.entries()) {
      const at = layer * experts + expert;
      sum[at] = (sum[at] as number) + power / total;
    }
  }
}

/** e^logit of every expert, the greatest scaled to 1 so that none overflows. */
function powersOf(
  gate: Float32Array,
  row: Float32Array,
  { experts, scale }: { readonly experts: number; readonly scale: number },
): Float64Array {
  const logits = new Float64Array(experts);
  for (let expert = 0; expert < experts; expert++) {
    const start = expert * row.length;
    let product = 0;
    for (let i = 0; i < row.length; i++) product += (gate[start + i] as number) * (row[i] as number);
    logits[expert] = product * scale;
  }
  const greatest = Math.max(...logits);
  return logits.map((logit) => Math.exp(logit - greatest));
}

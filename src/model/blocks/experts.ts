import type { GraphBuilder } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type { ExpertTensors, ExpertWeights } from "../architecture.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { TensorFinder } from "../tensor-finder.ts";
import type { ExpertsPart } from "./part.ts";

/** What joins an expert's gate and up: SwiGLU, gpt-oss's clamped variant of it, or GELU of up where there is no gate. */
export type Activation = "swiglu" | "swiglu-clamped" | "gelu";

export interface ExpertsOptions {
  readonly width: number;
  readonly activation: Activation;
  readonly hasBiases?: boolean;
}

/** The routed experts of a layer: two or three matrices each. */
export function routedExperts(keys: ModelKeys, options: ExpertsOptions): ExpertsPart {
  const hidden = keys.count("embedding_length");
  const count = keys.count("expert_count");
  const { activation } = options;
  return {
    tensors: (tensors) => expertTensors(tensors, { hidden, count, ...options }),
    chosenExperts: (g, stack, x, ids) =>
      apply(g, { experts: stack, activation }, x, (matrix, bias, input) => {
        const rows = g.matmulExperts(matrix, input, ids);
        return bias === null ? rows : g.addExperts(rows, bias, ids);
      }),
    oneExpert: (g, expert, x) =>
      apply(g, { experts: expert, activation }, x, (matrix, bias, input) => {
        const rows = g.matmul(matrix, input);
        return bias === null ? rows : g.add(rows, bias);
      }),
  };
}

interface Sizes extends ExpertsOptions {
  readonly hidden: number;
  readonly count: number;
}

function expertTensors(tensors: TensorFinder, { hidden, count, width, activation, hasBiases }: Sizes): ExpertTensors {
  const isGated = activation !== "gelu";
  const biases = () => ({
    gate: isGated ? tensors.expertBiases("ffn_gate", [width, count]) : null,
    up: tensors.expertBiases("ffn_up", [width, count]),
    down: tensors.expertBiases("ffn_down", [hidden, count]),
  });
  return {
    gate: isGated ? tensors.experts("ffn_gate", [hidden, width, count]) : null,
    up: tensors.experts("ffn_up", [hidden, width, count]),
    down: tensors.experts("ffn_down", [width, hidden, count]),
    biases: hasBiases === true ? biases() : null,
  };
}

/** Multiplies with a matrix and adds its bias. */
type Multiply = (matrix: Tensor, bias: Tensor | null, x: Tensor) => Tensor;

interface Applied {
  readonly experts: ExpertWeights;
  readonly activation: Activation;
}

function apply(g: GraphBuilder, { experts, activation }: Applied, x: Tensor, multiply: Multiply): Tensor {
  if (experts.kind === "fused") {
    return multiply(experts.down, null, g.swiglu(multiply(experts.gateUp, null, x)));
  }
  const { gate, up, down, biases } = experts;
  const ups = multiply(up, biases?.up ?? null, x);
  const gates = gate === null ? null : multiply(gate, biases?.gate ?? null, x);
  return multiply(down, biases?.down ?? null, activate(g, activation, { gates, ups }));
}

function activate(
  g: GraphBuilder,
  activation: Activation,
  { gates, ups }: { readonly gates: Tensor | null; readonly ups: Tensor },
): Tensor {
  if (gates === null) return g.gelu(ups);
  return activation === "swiglu-clamped" ? g.swigluClamped(gates, ups) : g.swigluSplit(gates, ups);
}

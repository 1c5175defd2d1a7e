import { GgmlType } from "../gguf/types.ts";
import type { TensorSource } from "../gguf/write.ts";
import type { SynthQuant } from "./synth-quants.ts";
import type { SynthShape } from "./synth-shapes.ts";
import type { SynthWeights } from "./synth-weights.ts";

/** Every tensor of a Qwen3-MoE model file, in the order llama.cpp's converter writes them. */
export function synthTensors(weights: SynthWeights, shape: SynthShape, quant: SynthQuant): readonly TensorSource[] {
  const { hidden, vocabulary, layers } = shape;
  const make = tensorMaker(weights, quant.weights);
  return [
    // Embeddings are states, not factors: deviation 1 lets the layers add to them without drowning them.
    make.matrix("token_embd", [hidden, vocabulary], { deviation: 1 }),
    ...Array.from({ length: layers }, (_, layer) => layerTensors(make, shape, `blk.${layer}`)).flat(),
    make.norm("output_norm", hidden),
    make.matrix("output", [hidden, vocabulary], { type: quant.output }),
  ];
}

function layerTensors(make: TensorMaker, shape: SynthShape, layer: string): readonly TensorSource[] {
  const { hidden, heads, kvHeads, headWidth, experts, expertWidth } = shape;
  return [
    make.norm(`${layer}.attn_norm`, hidden),
    make.matrix(`${layer}.attn_q`, [hidden, heads * headWidth]),
    make.matrix(`${layer}.attn_k`, [hidden, kvHeads * headWidth]),
    make.matrix(`${layer}.attn_v`, [hidden, kvHeads * headWidth]),
    make.matrix(`${layer}.attn_output`, [heads * headWidth, hidden]),
    make.norm(`${layer}.attn_q_norm`, headWidth),
    make.norm(`${layer}.attn_k_norm`, headWidth),
    make.norm(`${layer}.ffn_norm`, hidden),
    make.gate(`${layer}.ffn_gate_inp`, hidden, experts),
    make.matrix(`${layer}.ffn_gate_exps`, [hidden, expertWidth, experts]),
    make.matrix(`${layer}.ffn_up_exps`, [hidden, expertWidth, experts]),
    make.matrix(`${layer}.ffn_down_exps`, [expertWidth, hidden, experts]),
  ];
}

type TensorMaker = ReturnType<typeof tensorMaker>;

interface MatrixOptions {
  readonly type?: GgmlType;
  /** Defaults to 1 / sqrt(columns), which keeps the variance of what is multiplied. */
  readonly deviation?: number;
}

function tensorMaker(weights: SynthWeights, defaultType: GgmlType) {
  return {
    norm: (name: string, width: number): TensorSource => ({
      name: `${name}.weight`,
      type: GgmlType.F32,
      shape: [width],
      data: () => [weights.norm(width)],
    }),
    gate: (name: string, hidden: number, experts: number): TensorSource => ({
      name: `${name}.weight`,
      type: GgmlType.F32,
      shape: [hidden, experts],
      data: () => [weights.gate(hidden, experts)],
    }),
    matrix: (name: string, shape: readonly [number, ...number[]], options: MatrixOptions = {}): TensorSource => {
      const [columns, ...outer] = shape;
      const { type = defaultType, deviation = 1 / Math.sqrt(columns) } = options;
      const rows = outer.reduce((product, dimension) => product * dimension);
      return { name: `${name}.weight`, type, shape, data: () => weights.matrix({ type, columns, rows, deviation }) };
    },
  };
}

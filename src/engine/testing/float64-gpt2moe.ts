import { type Float64Heads, Float64Model } from "./float64-model.ts";
import { add, roundToHalf, split, type Vector } from "./float64-vectors.ts";

/** The formulas of GPT-2 (Radford et al., 2019) with experts as in docs/models.md. */
export class Float64Gpt2Moe extends Float64Model {
  protected override embed(token: number, position: number): Vector {
    const embedding = this.weights.matrix("token_embd.weight")[token] as Vector;
    return add(embedding, this.weights.matrix("position_embd.weight")[position] as Vector);
  }

  /** (x − mean) / √(variance + ε), times the scale, plus the bias */
  protected override norm(name: string, x: Vector): Vector {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const epsilon = this.file.metadata.number("gpt2moe.attention.layer_norm_epsilon");
    const scale = this.weights.vector(`${name}.weight`);
    const scaled = x.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * (scale[i] as number));
    return add(scaled, this.weights.vector(`${name}.bias`));
  }

  /** One matrix for all three, positions are in the states already. */
  protected override heads(block: string, x: Vector): Float64Heads {
    const [queries, keys, values] = split(this.linear(`${block}.attn_qkv`, x), 3).map((part) =>
      split(part, this.hyper.heads),
    ) as [Vector[], Vector[], Vector[]];
    return { queries, keys, values };
  }

  protected override expert(block: string, expert: number, x: Vector): Vector {
    const inner = this.linear(`${block}.ffn_up_exps`, x, expert).map(gelu);
    return this.linear(`${block}.ffn_down_exps`, inner, expert);
  }
}

/** x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), from and to half precision: the kernel looks it up in a table. */
function gelu(value: number): number {
  const x = roundToHalf(value);
  return roundToHalf((x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))));
}

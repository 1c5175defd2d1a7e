import { type Float64Heads, Float64Model } from "./float64-model.ts";
import { dot, split, type Vector } from "./float64-vectors.ts";

/** The formulas of Qwen3-MoE. */
export class Float64Qwen3Moe extends Float64Model {
  protected override embed(token: number): Vector {
    return this.weights.matrix("token_embd.weight")[token] as Vector;
  }

  /** x / √(mean of squares + ε), times the scale */
  protected override norm(name: string, x: Vector): Vector {
    const scale = this.weights.vector(`${name}.weight`);
    const epsilon = this.file.metadata.number("qwen3moe.attention.layer_norm_rms_epsilon");
    const rms = Math.sqrt(dot(x, x) / x.length + epsilon);
    return x.map((value, i) => (value / rms) * (scale[i] as number));
  }

  protected override heads(block: string, x: Vector, position: number): Float64Heads {
    const { heads, kvHeads } = this.hyper;
    const positioned = (name: string, count: number): Vector[] =>
      split(this.linear(`${block}.${name}`, x), count).map((head) =>
        this.#rotate(this.norm(`${block}.${name}_norm`, head), position),
      );
    return {
      queries: positioned("attn_q", heads),
      keys: positioned("attn_k", kvHeads),
      values: split(this.linear(`${block}.attn_v`, x), kvHeads),
    };
  }

  /** Rotary embedding of (x[i], x[i + d/2]) by position · base^(−2i/d). */
  #rotate(x: Vector, position: number): Vector {
    const half = x.length / 2;
    const base = this.file.metadata.number("qwen3moe.rope.freq_base");
    return x.map((value, i) => {
      const pair = i % half;
      const angle = position * base ** ((-2 * pair) / x.length);
      const other = x[i < half ? i + half : pair] as number;
      return value * Math.cos(angle) + (i < half ? -other : other) * Math.sin(angle);
    });
  }

  /** down · (silu(gate · x) · (up · x)) */
  protected override expert(block: string, expert: number, x: Vector): Vector {
    const up = this.linear(`${block}.ffn_up_exps`, x, expert);
    const gate = this.linear(`${block}.ffn_gate_exps`, x, expert);
    const inner = gate.map((value, i) => (value / (1 + Math.exp(-value))) * (up[i] as number));
    return this.linear(`${block}.ffn_down_exps`, inner, expert);
  }
}

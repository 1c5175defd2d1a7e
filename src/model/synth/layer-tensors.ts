import type { TensorSource } from "../../gguf/write.ts";
import type { SynthNumbers } from "./shape.ts";
import type { TensorMaker } from "./tensor-maker.ts";

/** Queries, keys and values of grouped heads, each from a matrix of its own. */
export function projections(make: TensorMaker, shape: SynthNumbers): readonly TensorSource[] {
  const { hidden, heads, kvHeads, headWidth } = shape;
  return [
    make.matrix("attn_q", [hidden, heads * headWidth]),
    make.matrix("attn_k", [hidden, kvHeads * headWidth]),
    make.matrix("attn_v", [hidden, kvHeads * headWidth]),
  ];
}

/** What is added to queries, keys and values. */
export function projectionBiases(make: TensorMaker, shape: SynthNumbers): readonly TensorSource[] {
  const { heads, kvHeads, headWidth } = shape;
  return [
    make.bias("attn_q", heads * headWidth),
    make.bias("attn_k", kvHeads * headWidth),
    make.bias("attn_v", kvHeads * headWidth),
  ];
}

/** Norms of queries and keys, over one head's width or over all heads'. */
export function queryKeyNorms(
  make: TensorMaker,
  { query, key }: { readonly query: number; readonly key: number },
): readonly TensorSource[] {
  return [make.norm("attn_q_norm", query), make.norm("attn_k_norm", key)];
}

/** From the heads back to the hidden state. */
export function attentionOutput(make: TensorMaker, { hidden, heads, headWidth }: SynthNumbers): TensorSource {
  return make.residual("attn_output", [heads * headWidth, hidden]);
}

/** The routed experts, stacked. */
export function experts(make: TensorMaker, shape: SynthNumbers): readonly TensorSource[] {
  const { hidden, expertWidth, experts: expertCount } = shape;
  return [
    make.matrix("ffn_gate_exps", [hidden, expertWidth, expertCount]),
    make.matrix("ffn_up_exps", [hidden, expertWidth, expertCount]),
    make.residual("ffn_down_exps", [expertWidth, hidden, expertCount]),
  ];
}

/** What every token passes besides its routed experts; several shared experts lie side by side as one. */
export function sharedExpert(make: TensorMaker, hidden: number, width: number): readonly TensorSource[] {
  return [
    make.matrix("ffn_gate_shexp", [hidden, width]),
    make.matrix("ffn_up_shexp", [hidden, width]),
    make.residual("ffn_down_shexp", [width, hidden]),
  ];
}

/** The feed-forward network of a layer without experts. */
export function denseFeedForward(make: TensorMaker, hidden: number, width: number): readonly TensorSource[] {
  return [
    make.matrix("ffn_gate", [hidden, width]),
    make.matrix("ffn_up", [hidden, width]),
    make.residual("ffn_down", [width, hidden]),
  ];
}

/** Whether this is one of the first layers, which have no experts. */
export function isDense(make: TensorMaker, { denseLayers }: { readonly denseLayers: number }): boolean {
  return make.layer !== undefined && make.layer < denseLayers;
}

/** What a layer that guesses a further token has besides a layer's own tensors. */
export function nextnTensors(make: TensorMaker, { hidden }: SynthNumbers): readonly TensorSource[] {
  return [
    make.matrix("nextn.eh_proj", [2 * hidden, hidden]),
    make.norm("nextn.enorm", hidden),
    make.norm("nextn.hnorm", hidden),
    make.norm("nextn.shared_head_norm", hidden),
  ];
}

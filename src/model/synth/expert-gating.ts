/** llama.cpp's numbers for what turns a gate's logits into scores, `expert_gating_func`. */
export const EXPERT_GATING = { softmax: 1, sigmoid: 2 } as const;

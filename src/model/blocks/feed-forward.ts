import { linear, type Norm, normalise } from "./linear.ts";
import type { FeedForwardPart } from "./part.ts";

export interface FeedForwardOptions {
  readonly hidden: number;
  readonly width: number;
  /** `ffn` for blocks without experts, `ffn_…_shexp` for shared experts. */
  readonly suffix: "" | "_shexp";
}

/** down · (silu(gate · x) · (up · x)) (Shazeer, 2020) */
export function gatedFeedForward({ hidden, width, suffix }: FeedForwardOptions): FeedForwardPart {
  const [gateUp, gate, up, down] = ["gate_up", "gate", "up", "down"].map((part) => `ffn_${part}${suffix}`) as [
    string,
    string,
    string,
    string,
  ];
  return {
    weights: (tensors) => [
      ...tensors.stacked(gateUp, hidden, { [gate]: width, [up]: width }),
      ...tensors.linear(down, [width, hidden]),
    ],
    apply: (g, { weights }, x) => {
      const inner =
        weights.find(gateUp) === undefined
          ? g.swigluSplit(linear(g, weights, gate, x), linear(g, weights, up, x))
          : g.swiglu(linear(g, weights, gateUp, x));
      return linear(g, weights, down, inner);
    },
  };
}

/** The feed-forward network of a block without experts, with the norm before it. */
export function denseFeedForward(
  { hidden, width, normName }: { readonly hidden: number; readonly width: number; readonly normName: string },
  norm: Norm,
): FeedForwardPart {
  const network = gatedFeedForward({ hidden, width, suffix: "" });
  return {
    weights: (tensors) => [...tensors.norm(normName, hidden), ...network.weights(tensors)],
    apply: (g, scope, h) => network.apply(g, scope, normalise(g, scope.weights, normName, h, norm)),
  };
}

/** Shared experts whose output every token weighs by a sigmoid of its own (Qwen2-MoE). */
export function weighedSharedExperts(options: Omit<FeedForwardOptions, "suffix">): FeedForwardPart {
  const network = gatedFeedForward({ ...options, suffix: "_shexp" });
  const { hidden } = options;
  return {
    weights: (tensors) => [...network.weights(tensors), tensors.vector("ffn_gate_inp_shexp", hidden)],
    apply: (g, scope, x) => {
      const score = g.matmul(scope.weights.get("ffn_gate_inp_shexp"), x); // [1, tokens]
      const weight = g.divide(g.silu(score), score); // the sigmoid, as llama.cpp computes it
      return g.multiply(network.apply(g, scope, x), weight);
    },
  };
}

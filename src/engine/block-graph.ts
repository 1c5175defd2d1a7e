import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { HyperParameters } from "../model/architecture.ts";
import { blockScope, type Runtime } from "./runtime.ts";

/** What a block of a pass reads beside the hidden states. */
export interface BlockInputs {
  readonly positions: Tensor;
  readonly cacheRows: Tensor;
  readonly mask: Tensor;
  readonly windowMask: Tensor;
}

export interface BlockShape {
  readonly tokens: number;
  readonly span: number;
  readonly byHead: boolean;
}

/** Records attention of one block, with the writing of its keys and values. → without the residual: [hidden, tokens] */
export function recordAttention(
  g: GraphBuilder,
  runtime: Runtime,
  block: number,
  { x, inputs, shape }: { readonly x: Tensor; readonly inputs: BlockInputs; readonly shape: BlockShape },
): Tensor {
  const { transformer, cache } = runtime;
  const scope = blockScope(runtime, block);
  const qkv = transformer.project(g, scope, x, inputs.positions);
  g.expand(qkv.q);
  cache.write(g, block, qkv, inputs.cacheRows, shape.tokens);
  const { span, tokens, byHead } = shape;
  const mask = maskOf(runtime.hyper, block, inputs);
  return transformer.attend(g, scope, { q: qkv.q, ...cache.read(g, block, span), mask, tokens, byHead });
}

/** The mask that a block's attention uses. */
export function maskOf({ window }: HyperParameters, block: number, masks: Pick<BlockInputs, "mask" | "windowMask">) {
  return window?.isIn(block) === true ? masks.windowMask : masks.mask;
}

/** Records the feed-forward network of a block without experts. h → the residual stream after it: [hidden, tokens] */
export function recordDense(g: GraphBuilder, runtime: Runtime, block: number, h: Tensor): Tensor {
  return g.add(runtime.transformer.dense(g, blockScope(runtime, block), h), h);
}

/** Width of the rows of a mask that is read only by models with a sliding window. */
export function windowSpan({ window }: HyperParameters, span: number): number {
  return window === null ? 1 : span;
}

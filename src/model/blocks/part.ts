import type { GraphBuilder } from "../../ggml/graph-builder.ts";
import type { Tensor } from "../../ggml/signatures.ts";
import type {
  BlockScope,
  CachedAttention,
  ExpertTensors,
  ExpertWeights,
  Gate,
  HyperParameters,
  QueryKeyValue,
  WeightSpec,
} from "../architecture.ts";
import type { TensorFinder } from "../tensor-finder.ts";

/** A part of a block: what it loads, and its operations. */
interface Part {
  /** @throws MODEL_TENSOR_INVALID */
  weights(tensors: TensorFinder): readonly WeightSpec[];
}

export interface AttentionPart extends Part {
  readonly shape: Pick<HyperParameters, "heads" | "kvHeads" | "keyWidth" | "valueWidth" | "valuesInKeys">;
  project(g: GraphBuilder, scope: BlockScope, x: Tensor, positions: Tensor): QueryKeyValue;
  attend(g: GraphBuilder, scope: BlockScope, cached: CachedAttention): Tensor;
}

export interface GatePart extends Part {
  gate(g: GraphBuilder, scope: BlockScope, h: Tensor): Gate;
}

/** A feed-forward network that every token goes through: [hidden, tokens] → [hidden, tokens] */
export interface FeedForwardPart extends Part {
  apply(g: GraphBuilder, scope: BlockScope, x: Tensor): Tensor;
}

export interface ExpertsPart {
  /** @throws MODEL_TENSOR_INVALID */
  tensors(tensors: TensorFinder): ExpertTensors;
  chosenExperts(g: GraphBuilder, stack: ExpertWeights, x: Tensor, ids: Tensor): Tensor;
  oneExpert(g: GraphBuilder, expert: ExpertWeights, x: Tensor): Tensor;
}

import type { Clustering } from "./clustering/cluster.ts";
import { NEIGHBOUR_DEFAULTS, type NeighbourOptions } from "./neighbour-options.ts";
import type { Predictor } from "./predictor.ts";
import { PromptTree, type PromptTreeOptions } from "./prompt-tree.ts";
import type { TrainingSet } from "./training-set.ts";
import { weightedMean } from "./weighted-mean.ts";

export interface TreePredictorOptions extends NeighbourOptions, PromptTreeOptions {}

/** The softmax-weighted mean of the α most similar prompts that a tree finds. What is added to the set joins the tree. */
export function createTreePredictor(
  name: string,
  { set, clustering }: { readonly set: TrainingSet; readonly clustering: Clustering },
  options: Partial<TreePredictorOptions>,
): Predictor {
  const { alpha, temperature, ...treeOptions } = { ...NEIGHBOUR_DEFAULTS, ...options };
  const tree = new PromptTree(set.vectors, clustering, treeOptions);
  return {
    name,
    predict: ({ vector }) => {
      tree.update();
      return weightedMean(set, tree.nearest(vector, alpha), temperature);
    },
  };
}

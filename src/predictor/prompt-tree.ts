import type { Clustering } from "./clustering/cluster.ts";
import { NearestNeighbours, type Neighbours } from "./neighbours.ts";
import type { VectorMatrix } from "./vector-matrix.ts";

export interface PromptTreeOptions {
  /** β: a node with more prompts than this is split. More than the α of queries. */
  readonly beta: number;
  /** Clusters that a node of so many prompts is split into, at least 2. */
  readonly forks: (prompts: number) => number;
  /** Siblings are added to a leaf until there are this many prompts to choose from. */
  readonly candidates: number;
}

/**
 * β is the paper's, which leaves the forks open: √n keeps the tree shallow, as each level is one more chance to take the
 * wrong way. The paper adds siblings only up to α candidates, which `candidates: 0` does; it then misses so many
 * neighbours behind the borders of leaves that it predicts a fifth worse than brute force over all, with 400 within 5 %.
 */
export const PROMPT_TREE_DEFAULTS: PromptTreeOptions = {
  beta: 150,
  forks: (prompts) => Math.ceil(Math.sqrt(prompts)),
  candidates: 400,
};

/** A leaf until it has branches. */
interface Node {
  /** Of a leaf; empty otherwise. */
  members: number[];
  branches: readonly Branch[];
  /** Members beyond which a leaf tries to split. */
  limit: number;
}

interface Branch {
  readonly medoid: number;
  readonly node: Node;
}

interface Search {
  /** How many candidates are enough. */
  readonly enough: number;
  readonly candidates: number[];
}

/**
 * The paper's multi-fork tree over prompt vectors: a search compares a query with one medoid per fork on its way down
 * and then with the members of a leaf, not with all prompts.
 */
export class PromptTree {
  readonly #vectors: VectorMatrix;
  readonly #cluster: Clustering;
  readonly #options: PromptTreeOptions;
  readonly #root: Node;
  #size: number;

  /** Of all vectors there are. `cluster` splits the nodes. */
  constructor(vectors: VectorMatrix, cluster: Clustering, options: Partial<PromptTreeOptions> = {}) {
    this.#vectors = vectors;
    this.#cluster = cluster;
    this.#options = { ...PROMPT_TREE_DEFAULTS, ...options };
    this.#size = vectors.size;
    const everyone = Array.from({ length: vectors.size }, (_, i) => i);
    this.#root = this.#createNode(everyone);
  }

  /** Takes in the vectors that were added since, each into the leaf it is nearest to. No medoid moves. */
  update(): void {
    for (; this.#size < this.#vectors.size; this.#size++) {
      const leaf = this.#nearestLeaf(this.#vectors.row(this.#size));
      leaf.members.push(this.#size);
      this.#split(leaf);
    }
  }

  /**
   * The α prompts most similar to a query among the members of the nearest leaf, to which those of the nearest siblings
   * are added until there are enough.
   */
  nearest(query: Float32Array, alpha: number): Neighbours {
    const candidates: number[] = [];
    this.#collect(this.#root, query, { enough: Math.max(alpha, this.#options.candidates), candidates });
    const nearest = new NearestNeighbours(alpha);
    const similarities = this.#vectors.similaritiesAt(query, candidates);
    for (const [i, candidate] of candidates.entries()) nearest.offer(candidate, similarities[i] as number);
    return nearest;
  }

  #createNode(members: readonly number[]): Node {
    const node: Node = { members: [...members], branches: [], limit: this.#options.beta };
    this.#split(node);
    return node;
  }

  /** Gives branches to a leaf with too many members. */
  #split(leaf: Node): void {
    if (leaf.members.length <= leaf.limit) return;
    const clusters = this.#cluster(leaf.members, this.#options.forks(leaf.members.length));
    if (clusters.length < 2) {
      // All alike: no use trying again with every prompt that joins them.
      leaf.limit = 2 * leaf.members.length;
      return;
    }
    leaf.members = [];
    leaf.branches = clusters.map(({ medoid, members }) => ({ medoid, node: this.#createNode(members) }));
  }

  #nearestLeaf(query: Float32Array): Node {
    let node = this.#root;
    while (node.branches.length > 0) node = this.#nodesByNearness(node.branches, query)[0] as Node;
    return node;
  }

  /** Goes down to the nearest leaf and back up by way of ever further siblings until there are enough candidates. */
  #collect(node: Node, query: Float32Array, search: Search): void {
    for (const member of node.members) search.candidates.push(member);
    if (node.branches.length === 0) return;
    for (const child of this.#nodesByNearness(node.branches, query)) {
      if (search.candidates.length >= search.enough) return;
      this.#collect(child, query, search);
    }
  }

  #nodesByNearness(branches: readonly Branch[], query: Float32Array): Node[] {
    const medoids = branches.map(({ medoid }) => medoid);
    const similarities = this.#vectors.similaritiesAt(query, medoids);
    return branches
      .map(({ node }, i) => ({ node, similarity: similarities[i] as number }))
      .sort((a, b) => b.similarity - a.similarity)
      .map(({ node }) => node);
  }
}

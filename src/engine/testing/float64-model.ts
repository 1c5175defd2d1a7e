import type { Native } from "../../ggml/library.ts";
import type { GgufFile } from "../../gguf/read.ts";
import type { HyperParameters } from "../../model/architecture.ts";
import { readTransformer } from "../../model/registry.ts";
import { add, dot, join, multiply, roundToHalf, softmax, type Vector, weightedSum } from "./float64-vectors.ts";
import { Float64Weights } from "./float64-weights.ts";

/** A token's queries, keys and values, by head. */
export interface Float64Heads {
  readonly queries: readonly Vector[];
  readonly keys: readonly Vector[];
  readonly values: readonly Vector[];
}

/**
 * A mixture-of-experts transformer written straight from its formulas in double precision: slow, plain, and sharing
 * nothing with the engine but the reading of the file. What families differ in is abstract.
 */
export abstract class Float64Model {
  readonly hyper: HyperParameters;
  protected readonly file: GgufFile;
  protected readonly weights: Float64Weights;

  constructor(native: Native, file: GgufFile) {
    this.hyper = readTransformer(file).hyper;
    this.file = file;
    this.weights = new Float64Weights(native, file);
  }

  protected abstract embed(token: number, position: number): Vector;
  protected abstract norm(name: string, x: Vector): Vector;
  /** `block`: its prefix, e.g. `blk.0`; `x`: the normalised state of the token at `position`. */
  protected abstract heads(block: string, x: Vector, position: number): Float64Heads;
  protected abstract expert(block: string, expert: number, x: Vector): Vector;

  /** Of the token after the sequence: [vocabulary] */
  logits(tokens: readonly number[]): Vector {
    let states = tokens.map((token, position) => this.embed(token, position));
    for (let layer = 0; layer < this.hyper.layers; layer++) states = this.#layer(`blk.${layer}`, states);
    const head = this.weights.has("output.weight") ? "output" : "token_embd";
    return this.linear(head, this.norm("output_norm", states.at(-1) as Vector));
  }

  /** A matrix applied, and its bias added where the file has one; `expert` where both are stacked. */
  protected linear(name: string, x: Vector, expert = 0): Vector {
    const product = multiply(this.weights.matrix(`${name}.weight`, expert), x);
    const bias = `${name}.bias`;
    return this.weights.has(bias) ? add(product, this.weights.matrix(bias)[expert] as Vector) : product;
  }

  #layer(block: string, states: readonly Vector[]): Vector[] {
    const attended = this.#attention(block, states);
    return attended.map((attention, t) => {
      const h = add(states[t] as Vector, attention);
      return add(h, this.#experts(block, this.norm(`${block}.ffn_norm`, h)));
    });
  }

  /** Queries, keys and values are rounded as the kernel and the cache have them. */
  #attention(block: string, states: readonly Vector[]): Vector[] {
    const { heads, kvHeads, keyWidth } = this.hyper;
    const tokens = states.map((x, position) => {
      const { queries, keys, values } = this.heads(block, this.norm(`${block}.attn_norm`, x), position);
      const rounded = (parts: readonly Vector[]) => parts.map((part) => part.map(roundToHalf));
      return { queries: rounded(queries), keys: rounded(keys), values: rounded(values) };
    });
    return tokens.map(({ queries }, t) => {
      const seen = tokens.slice(0, t + 1);
      const mixed = queries.map((query, head) => {
        const group = Math.floor(head / (heads / kvHeads));
        const scores = softmax(seen.map(({ keys }) => dot(query, keys[group] as Vector) / Math.sqrt(keyWidth)));
        return weightedSum(
          scores,
          seen.map(({ values }) => values[group] as Vector),
        );
      });
      return this.linear(`${block}.attn_output`, join(mixed));
    });
  }

  /** Softmax over all experts, the shares of the chosen ones divided by their sum. */
  #experts(block: string, x: Vector): Vector {
    const shares = softmax([...this.linear(`${block}.ffn_gate_inp`, x)]);
    const chosen = [...shares.keys()]
      .sort((a, b) => (shares[b] as number) - (shares[a] as number))
      .slice(0, this.hyper.expertsPerToken);
    const total = chosen.reduce((sum, expert) => sum + (shares[expert] as number), 0);
    return weightedSum(
      chosen.map((expert) => (shares[expert] as number) / total),
      chosen.map((expert) => this.expert(block, expert, x)),
    );
  }
}

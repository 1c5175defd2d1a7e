import { GgmlType } from "../../gguf/types.ts";
import type { TensorSource } from "../../gguf/write.ts";
import { type MatrixPlace, matrixType, type SynthQuant } from "./quants.ts";
import type { SynthNumbers } from "./shape.ts";
import type { SynthWeights } from "./weights.ts";

/** Row length first, as ggml has it. */
type MatrixShape = readonly [columns: number, ...outer: number[]];

/** Small beside what is added to, large enough to be missed if left out. */
const BIAS_DEVIATION = 0.1;

/** Makes the tensors of one layer, or those outside the layers, each with the random weights its purpose asks for. */
export class TensorMaker {
  /** `undefined` outside the layers. */
  readonly layer: number | undefined;
  readonly #weights: SynthWeights;
  readonly #quant: SynthQuant;
  readonly #shape: SynthNumbers;

  constructor(weights: SynthWeights, quant: SynthQuant, { shape, layer }: { shape: SynthNumbers; layer?: number }) {
    this.layer = layer;
    this.#weights = weights;
    this.#quant = quant;
    this.#shape = shape;
  }

  /** A factor for each element, near 1. */
  norm(name: string, width: number): TensorSource {
    return this.#vector(`${name}.weight`, [width], () => this.#weights.norm(width));
  }

  bias(name: string, ...shape: readonly number[]): TensorSource {
    return this.numbers(`${name}.bias`, shape, BIAS_DEVIATION);
  }

  /** F32 numbers that belong to no matrix; `name` is complete. */
  numbers(name: string, shape: readonly number[], deviation: number): TensorSource {
    const size = shape.reduce((product, dimension) => product * dimension);
    return this.#vector(name, shape, () => this.#weights.vector(size, deviation));
  }

  /** The gate that chooses experts: [hidden, experts] */
  gate(): TensorSource {
    const { hidden, experts } = this.#shape;
    return this.#vector("ffn_gate_inp.weight", [hidden, experts], () => this.#weights.gate(hidden, experts));
  }

  /** A matrix whose products have the variance of what it multiplies. */
  matrix(name: string, shape: MatrixShape): TensorSource {
    return this.#matrix(name, shape, 1 / Math.sqrt(shape[0]));
  }

  /**
   * A matrix whose products are added to the residual stream. All layers together add about as much as the embedding
   * has, as GPT-2's initialisation does it: what the token is stays readable in every layer.
   */
  residual(name: string, shape: MatrixShape): TensorSource {
    return this.#matrix(name, shape, 1 / Math.sqrt(2 * this.#shape.layers * shape[0]));
  }

  /** The token embeddings [hidden, vocabulary]; their elements have the given deviation. */
  embedding(deviation: number): TensorSource {
    const { hidden: columns, vocabulary: rows } = this.#shape;
    const type = matrixType(this.#quant, this.#place("token_embd"), columns);
    const data = () => this.#weights.embedding({ type, columns, rows, deviation });
    return { name: this.#named("token_embd.weight"), type, shape: [columns, rows], data };
  }

  #matrix(name: string, shape: MatrixShape, deviation: number): TensorSource {
    const [columns, ...outer] = shape;
    const type = matrixType(this.#quant, this.#place(name), columns);
    const rows = outer.reduce((product, dimension) => product * dimension);
    const data = () => this.#weights.matrix({ type, columns, rows, deviation });
    return { name: this.#named(`${name}.weight`), type, shape, data };
  }

  #vector(name: string, shape: readonly number[], bytes: () => Uint8Array): TensorSource {
    return { name: this.#named(name), type: GgmlType.F32, shape, data: () => [bytes()] };
  }

  #place(name: string): MatrixPlace {
    return { name, layer: this.layer ?? 0, layers: this.#shape.layers };
  }

  #named(name: string): string {
    return this.layer === undefined ? name : `blk.${this.layer}.${name}`;
  }
}

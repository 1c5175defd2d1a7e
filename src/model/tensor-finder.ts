import { type StackedTensor, stackedExperts } from "../gguf/experts.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";
import type { WeightSpec } from "./architecture.ts";
import { requireExperts, requireTensor } from "./require-tensor.ts";

/** Finds weights in a file: those of one block, or with no prefix those of the model. */
export class TensorFinder {
  readonly #file: GgufFile;
  readonly #prefix: string;

  constructor(file: GgufFile, prefix = "") {
    this.#file = file;
    this.#prefix = prefix;
  }

  has(name: string): boolean {
    return this.#file.tensors.has(this.#prefix + name);
  }

  /** @throws MODEL_TENSOR_INVALID, MODEL_TYPE_UNSUPPORTED */
  #tensor(name: string, shape?: readonly number[]): TensorInfo {
    return requireTensor(this.#file, this.#prefix + name, shape);
  }

  /** A matrix of all experts: [in, out, experts]. @throws MODEL_TENSOR_INVALID, MODEL_TYPE_UNSUPPORTED */
  experts(name: string, shape: readonly [columns: number, rows: number, experts: number]): StackedTensor {
    return requireExperts(this.#file, this.#prefix + name, shape);
  }

  /** A bias of all experts: [out, experts]. @throws MODEL_TENSOR_INVALID */
  expertBiases(name: string, shape: readonly [rows: number, experts: number]): StackedTensor {
    return stackedExperts(this.#tensor(`${name}_exps.bias`, shape));
  }

  /** @throws MODEL_TENSOR_INVALID */
  matmul(name: string, shape: readonly number[]): WeightSpec {
    return { ...this.#stored(name, `${name}.weight`, shape), use: "matmul" };
  }

  /** @throws MODEL_TENSOR_INVALID */
  lookup(name: string, shape?: readonly number[]): WeightSpec {
    return { ...this.#stored(name, `${name}.weight`, shape), use: "lookup" };
  }

  /** @throws MODEL_TENSOR_INVALID */
  vector(name: string, width: number): WeightSpec {
    return { ...this.#stored(name, `${name}.weight`, [width]), use: "vector" };
  }

  /** `name.bias`, if the file has one. @throws MODEL_TENSOR_INVALID */
  bias(name: string, width: number): WeightSpec[] {
    const bias = `${name}.bias`;
    return this.has(bias) ? [{ ...this.#stored(bias, bias, [width]), use: "vector" }] : [];
  }

  /** A matrix, and its bias if the file has one. @throws MODEL_TENSOR_INVALID */
  linear(name: string, [columns, rows]: readonly [number, number]): WeightSpec[] {
    return [this.matmul(name, [columns, rows]), ...this.bias(name, rows)];
  }

  /** A normalisation's scale, and its bias if the file has one. @throws MODEL_TENSOR_INVALID */
  norm(name: string, width: number): WeightSpec[] {
    return [this.vector(name, width), ...this.bias(name, width)];
  }

  /**
   * Matrices with the same input: one weight if their types allow it and all have biases or none, else as they are.
   * @throws MODEL_TENSOR_INVALID
   */
  stacked(name: string, columns: number, matrices: Readonly<Record<string, number>>): WeightSpec[] {
    const names = Object.entries(matrices);
    const weights = names.map(([matrix, rows]) => this.matmul(matrix, [columns, rows]));
    const biases = names.flatMap(([matrix, rows]) => this.bias(matrix, rows));
    const types = new Set(weights.flatMap(({ parts }) => parts.map(({ type }) => type)));
    const isStackable = types.size === 1 && (biases.length === 0 || biases.length === weights.length);
    if (!isStackable) return [...weights, ...biases];
    const join = (specs: readonly WeightSpec[]) => specs.flatMap(({ parts }) => parts);
    const weight: WeightSpec = { name: this.#prefix + name, parts: join(weights), use: "matmul" };
    const bias: WeightSpec = { name: `${this.#prefix}${name}.bias`, parts: join(biases), use: "vector" };
    return biases.length === 0 ? [weight] : [weight, bias];
  }

  #stored(name: string, tensor: string, shape?: readonly number[]): Pick<WeightSpec, "name" | "parts"> {
    return { name: this.#prefix + name, parts: [this.#tensor(tensor, shape)] };
  }
}

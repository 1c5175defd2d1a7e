import type { Native } from "../../ggml/library.ts";
import { readFileBytes } from "../../gguf/byte-source.ts";
import type { GgufFile } from "../../gguf/read.ts";
import { requireTensor } from "../../model/require-tensor.ts";
import { TensorRows } from "../../model/tensor-rows.ts";
import type { Matrix, Vector } from "./float64-vectors.ts";

/** The weights of a model file as numbers, of whatever type they are stored in. */
export class Float64Weights {
  readonly #native: Native;
  readonly #file: GgufFile;
  readonly #stacks = new Map<string, readonly Matrix[]>();

  constructor(native: Native, file: GgufFile) {
    this.#native = native;
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  /** A tensor by rows; of a stack [columns, rows, experts] one expert's. */
  matrix(name: string, expert = 0): Matrix {
    const stack = this.#stacks.get(name) ?? this.#read(name);
    this.#stacks.set(name, stack);
    return stack[expert] as Matrix;
  }

  vector(name: string): Vector {
    return this.matrix(name)[0] as Vector;
  }

  #read(name: string): readonly Matrix[] {
    const tensor = requireTensor(this.#file, name);
    const [columns = 1, rows = 1, experts = 1] = tensor.shape;
    using decoder = new TensorRows(this.#native, { tensor, rows });
    const bytes = tensor.bytes / experts;
    return Array.from({ length: experts }, (_, expert) => {
      const stored = readFileBytes(tensor.source.path, tensor.offset + expert * bytes, bytes);
      const values = Float64Array.from(decoder.decode(stored));
      return Array.from({ length: rows }, (_, row) => values.subarray(row * columns, (row + 1) * columns));
    });
  }
}

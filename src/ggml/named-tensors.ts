import type { GraphBuilder } from "./graph-builder.ts";
import type { Native } from "./library.ts";
import { type TensorShape, TensorStore, tensorAddress, view } from "./memory.ts";
import type { BufferType, NativeBuffer, Tensor } from "./signatures.ts";

interface ViewOf {
  f32: Float32Array;
  i32: Int32Array;
  i64: BigInt64Array;
  /** Bit patterns. */
  f16: Uint16Array;
}

type Element = keyof ViewOf;

/** A tensor both sides read and write: ggml as a tensor, JavaScript as a typed array. */
export interface SharedTensor<E extends Element = Element> {
  readonly element: E;
  /** ggml's order, fastest dimension first. */
  readonly shape: readonly number[];
}

const shared =
  <E extends Element>(element: E) =>
  (...shape: number[]): SharedTensor<E> => ({ element, shape });

export const f32: (...shape: number[]) => SharedTensor<"f32"> = shared("f32");
export const i32: (...shape: number[]) => SharedTensor<"i32"> = shared("i32");
export const i64: (...shape: number[]) => SharedTensor<"i64"> = shared("i64");
export const f16: (...shape: number[]) => SharedTensor<"f16"> = shared("f16");

const ELEMENTS = {
  f32: { type: 0, bytes: 4, array: Float32Array },
  f16: { type: 1, bytes: 2, array: Uint16Array },
  i32: { type: 26, bytes: 4, array: Int32Array },
  i64: { type: 27, bytes: 8, array: BigInt64Array },
} as const;

type Specs = Readonly<Record<string, SharedTensor>>;

/** Inputs and results of graphs, in host memory, by name. They keep their place between graphs. */
export class NamedTensors<S extends Specs> implements Disposable {
  readonly tensors: { readonly [Name in keyof S]: Tensor };
  readonly views: { readonly [Name in keyof S]: ViewOf[S[Name]["element"]] };
  readonly bytes: number;
  readonly #store: TensorStore;

  constructor(native: Native, type: BufferType, specs: S) {
    const entries = Object.entries(specs);
    this.#store = new TensorStore(
      native,
      type,
      entries.map(([, spec]) => nativeShape(spec)),
    );
    this.bytes = this.#store.bytes;
    const named = entries.map(([name, spec], i) => ({ name, spec, tensor: this.#store.tensors[i] as Tensor }));
    this.tensors = Object.fromEntries(named.map(({ name, tensor }) => [name, tensor])) as typeof this.tensors;
    const views = named.map(({ name, spec, tensor }) => [name, viewOf(spec, tensor)]);
    this.views = Object.fromEntries(views) as typeof this.views;
  }

  get buffer(): NativeBuffer {
    return this.#store.buffer;
  }

  /** Makes a graph write `result` into the tensor of that name, from row `row` on. */
  pin(g: GraphBuilder, result: Tensor, name: keyof S & string, rowOffsetBytes = 0): Tensor {
    return g.pin(result, this.#store.buffer, tensorAddress(this.tensors[name]) + BigInt(rowOffsetBytes));
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

export function nativeShape({ element, shape }: SharedTensor): TensorShape {
  return { type: ELEMENTS[element].type, shape };
}

function viewOf({ element, shape }: SharedTensor, tensor: Tensor): ViewOf[Element] {
  const { bytes, array } = ELEMENTS[element];
  const length = shape.reduce((product, dimension) => product * dimension, 1);
  return new array(view(tensorAddress(tensor), length * bytes));
}

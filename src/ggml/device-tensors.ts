import type { GraphBuilder } from "./graph-builder.ts";
import type { Native } from "./library.ts";
import { TensorStore, tensorAddress } from "./memory.ts";
import { nativeShape, type SharedTensor } from "./named-tensors.ts";
import type { BufferType, Tensor } from "./signatures.ts";

/** Inputs and results of graphs in a device's memory, by name. Bytes cross by copies. */
export class DeviceTensors<S extends Readonly<Record<string, SharedTensor>>> implements Disposable {
  readonly tensors: { readonly [Name in keyof S]: Tensor };
  readonly #native: Native;
  readonly #store: TensorStore;

  constructor(native: Native, type: BufferType, specs: S) {
    this.#native = native;
    this.#store = new TensorStore(native, type, Object.values(specs).map(nativeShape));
    const named = Object.keys(specs).map((name, i) => [name, this.#store.tensors[i]]);
    this.tensors = Object.fromEntries(named) as typeof this.tensors;
  }

  /** Makes a graph write `result` into the tensor of that name. */
  pin(g: GraphBuilder, result: Tensor, name: keyof S & string): Tensor {
    return g.pin(result, this.#store.buffer, tensorAddress(this.tensors[name]));
  }

  /** Copies the first elements to the device. */
  upload(name: keyof S, values: ArrayBufferView): void {
    const bytes = bytesOf(values);
    this.#native.ggml.ggml_backend_tensor_set(this.tensors[name], bytes, 0, bytes.length);
  }

  /** Copies the first elements from the device. */
  download(name: keyof S, into: ArrayBufferView): void {
    const bytes = bytesOf(into);
    this.#native.ggml.ggml_backend_tensor_get(this.tensors[name], bytes, 0, bytes.length);
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

import { remoeError } from "../core/errors.ts";
import { DEVICE_TYPE, type Native } from "./library.ts";
import type { Backend, BufferType, Device, Graph } from "./signatures.ts";

export interface DeviceInfo {
  /** What `--device` takes, e.g. `Vulkan0`. */
  readonly name: string;
  readonly description: string;
  readonly type: "cpu" | "gpu" | "accelerator";
}

/** The devices of this installation; loads the GPU libraries it has. */
export function listDevices(native: Native): readonly DeviceInfo[] {
  return devices(native).map((device) => ({
    name: native.ggml.ggml_backend_dev_name(device),
    description: native.ggml.ggml_backend_dev_description(device),
    type: deviceType(native.ggml.ggml_backend_dev_type(device)),
  }));
}

/** A device that computes graphs on memory of its own: a GPU. */
export class DeviceBackend implements Disposable {
  readonly name: string;
  readonly #native: Native;
  readonly #device: Device;
  readonly #backend: Backend;

  /** @throws DEVICE_UNKNOWN naming those that are there */
  constructor(native: Native, name: string) {
    const known = devices(native);
    const device = known.find((candidate) => native.ggml.ggml_backend_dev_name(candidate) === name);
    if (device === undefined) {
      const available = known.map((candidate) => native.ggml.ggml_backend_dev_name(candidate)).join(", ");
      throw remoeError("DEVICE_UNKNOWN", { device: name, available });
    }
    this.name = name;
    this.#native = native;
    this.#device = device;
    this.#backend = native.ggml.ggml_backend_dev_init(device, null);
  }

  get bufferType(): BufferType {
    return this.#native.ggml.ggml_backend_dev_buffer_type(this.#device);
  }

  compute(graph: Graph): void {
    const status = this.#native.ggml.ggml_backend_graph_compute(this.#backend, graph);
    if (status !== 0) {
      throw remoeError("NATIVE_CALL_FAILED", { call: "ggml_backend_graph_compute", reason: `status ${status}` });
    }
  }

  [Symbol.dispose](): void {
    this.#native.ggml.ggml_backend_free(this.#backend);
  }
}

const loadedAccelerators = new Set<string>();

function devices(native: Native): Device[] {
  for (const library of native.installation.accelerators) {
    if (loadedAccelerators.has(library)) continue;
    loadedAccelerators.add(library);
    // A GPU library without its driver cannot be loaded; its devices are then not in the list.
    native.registry.ggml_backend_load(library);
  }
  const count = Number(native.registry.ggml_backend_dev_count());
  return Array.from({ length: count }, (_, i) => native.registry.ggml_backend_dev_get(i));
}

function deviceType(type: number): DeviceInfo["type"] {
  if (type === DEVICE_TYPE.cpu) return "cpu";
  return type === DEVICE_TYPE.accelerator ? "accelerator" : "gpu";
}

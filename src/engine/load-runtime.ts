import { Owned } from "../core/owned.ts";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import { DeviceBackend } from "../ggml/device.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { isSmallModel, type WeightSpec, type Weights } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import type { Numerics } from "./create-passes.ts";
import { allExperts, ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import { KvCache } from "./kv-cache.ts";
import type { Runtime } from "./runtime.ts";
import { cpuPlacement, type LoadedTensors, loadTensors, type Placement, type StoredTensor } from "./tensor-loader.ts";

export interface RuntimeOptions {
  /** Tokens a sequence may have, prompt and answer together. Defaults to what the model was trained on. */
  readonly contextLength?: number | undefined;
  /** Sequences that are computed together at most. Defaults to 1. */
  readonly parallel?: number | undefined;
  /** Threads that compute: the vCPUs of this function. */
  readonly threads: number;
  readonly numerics?: Numerics | undefined;
  /** ggml device for everything but the experts, e.g. `Vulkan0`; the processor by default. */
  readonly device?: string | null | undefined;
  /** Experts to hold; all by default. */
  readonly experts?: ExpertSelection | undefined;
}

/** A model in memory. Disposing frees all of it. */
export interface LoadedRuntime extends Disposable {
  readonly runtime: Runtime;
  /** Of weights in memory. */
  readonly weightBytes: number;
}

/**
 * Reads the weights of a model and makes room for its cache.
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID, DEVICE_UNKNOWN,
 *   NATIVE_CALL_FAILED
 */
export function loadRuntime(native: Native, file: GgufFile, options: RuntimeOptions): Promise<LoadedRuntime> {
  return Owned.construct(async (owned) => {
    const transformer = readTransformer(file, options.contextLength);
    const { hyper } = transformer;
    const { numerics = "default", threads, contextLength = hyper.contextLength, parallel = 1 } = options;
    const placement = cpuPlacement(native);
    const device = options.device == null ? null : owned.own(new DeviceBackend(native, options.device));
    const backend = owned.own(
      new CpuBackend(
        native,
        numerics === "default" && isSmallModel(hyper) ? Math.min(threads, SMALL_MODEL_THREADS) : threads,
      ),
    );
    const stored = transformer.weights.map(storedTensor);
    const where = device === null ? placement : devicePlacement(device);
    const loaded = owned.own(await loadTensors(native, stored, where));
    const selection = options.experts ?? allExperts(hyper.layers, hyper.experts);
    const bank = owned.own(await ExpertBank.load(native, transformer.experts, { selection, placement }));
    const cache = owned.own(
      new KvCache(native, hyper, { contextLength, parallel, type: (device ?? backend).bufferType }),
    );
    const weights = byName(loaded);
    return {
      runtime: { native, transformer, hyper, weights, bank, cache, device, backend, threads },
      weightBytes: loaded.bytes + bank.bytes,
      [Symbol.dispose]: () => owned[Symbol.dispose](),
    };
  });
}

function devicePlacement({ bufferType }: DeviceBackend): Placement {
  return { plain: bufferType, repack: null };
}

/** More threads than this would mostly wait for each other in a small model. */
const SMALL_MODEL_THREADS = 2;

function byName(loaded: LoadedTensors): Weights {
  const find = (name: string) => loaded.byName.get(name)?.tensor;
  const get = (name: string) => {
    const tensor = find(name);
    if (tensor === undefined) throw new Error(`weight '${name}' is not in the transformer's list`);
    return tensor;
  };
  return { get, find };
}

/** A weight of the transformer's list as the loader wants it. */
function storedTensor({ name, parts, use }: WeightSpec): StoredTensor {
  const [first] = parts as [WeightSpec["parts"][0]];
  const rows = parts.map((part) => part.shape[1] ?? 1);
  const shape = parts.length === 1 ? first.shape : stackedShape(parts);
  return {
    name,
    type: first.type,
    shape,
    parts: parts.map(({ source, offset, bytes }, i) => ({ source, offset, bytes, rows: rows[i] ?? 1 })),
    repackable: use === "matmul",
  };
}

/** Of vectors one behind the other, or matrices row upon row. */
function stackedShape(parts: WeightSpec["parts"]): readonly number[] {
  const sum = (dimension: number): number => parts.reduce((total, { shape }) => total + (shape[dimension] ?? 1), 0);
  const [first] = parts;
  return first?.shape.length === 1 ? [sum(0)] : [first?.shape[0] ?? 1, sum(1)];
}

import { Owned } from "../core/owned.ts";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import { DeviceBackend } from "../ggml/device.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { isSmallModel, type WeightSpec } from "../model/architecture.ts";
import { architectureOf } from "../model/registry.ts";
import { allExperts, ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import type { Numerics } from "./forward-passes.ts";
import { KvCache } from "./kv-cache.ts";
import type { Runtime } from "./runtime.ts";
import { cpuPlacement, loadTensors, type Placement, type StoredTensor } from "./tensor-loader.ts";

export interface RuntimeOptions {
  /** Tokens a sequence may have, prompt and answer together. Defaults to what the model was trained on. */
  readonly contextLength?: number | undefined;
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
    const architecture = architectureOf(file);
    const hyper = architecture.hyperParameters(file);
    const { numerics = "default", threads, contextLength = hyper.contextLength } = options;
    const placement = cpuPlacement(native);
    const device = options.device == null ? null : owned.own(new DeviceBackend(native, options.device));
    const backend = owned.own(
      new CpuBackend(
        native,
        numerics === "default" && isSmallModel(hyper) ? Math.min(threads, SMALL_MODEL_THREADS) : threads,
      ),
    );
    const stored = architecture.weights(file, hyper).map(storedTensor);
    const where = device === null ? placement : devicePlacement(device);
    const weights = owned.own(await loadTensors(native, file.path, stored, where));
    const selection = options.experts ?? allExperts(hyper.layers, hyper.experts);
    const tensors = architecture.experts(file, hyper);
    const bank = owned.own(await ExpertBank.load(native, file, tensors, { selection, placement }));
    const cache = owned.own(new KvCache(native, hyper, { contextLength, type: (device ?? backend).bufferType }));
    const weight = (name: string) => weights.byName.get(name)?.tensor;
    return {
      runtime: { native, architecture, hyper, weight, bank, cache, device, backend, threads },
      weightBytes: weights.bytes + bank.bytes,
      [Symbol.dispose]: () => owned[Symbol.dispose](),
    };
  });
}

function devicePlacement({ bufferType }: DeviceBackend): Placement {
  return { plain: bufferType, repack: null };
}

/** More threads than this would mostly wait for each other in a small model. */
const SMALL_MODEL_THREADS = 2;

/** A weight of the architecture's list as the loader wants it. */
function storedTensor({ name, parts, use }: WeightSpec): StoredTensor {
  const [first] = parts as [WeightSpec["parts"][0]];
  const rows = parts.map((part) => part.shape[1] ?? 1);
  const shape = first.shape.length === 1 ? first.shape : [first.shape[0] ?? 1, rows.reduce((a, b) => a + b)];
  return {
    name,
    type: first.type,
    shape,
    parts: parts.map(({ offset, bytes }, i) => ({ offset, bytes, rows: rows[i] ?? 1 })),
    repackable: use === "matmul",
  };
}

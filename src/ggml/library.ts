import koffi from "koffi";
import { remoeError } from "../core/errors.ts";
import { findInstallation, type Installation } from "./installation.ts";
import { assertLayout, koffiType, TENSOR_LAYOUT, THREADPOOL_LAYOUT } from "./layout.ts";
import { selectCpuLibrary } from "./probe.ts";
import { type Calls, CPU, type Device, GGML, LLAMA, REGISTRY, type SignatureTable, type Tensor } from "./signatures.ts";

type Library = ReturnType<typeof koffi.load>;

/** The loaded libraries: every C call Remoe makes goes through one of these tables. */
export interface Native {
  readonly installation: Installation;
  /** The CPU library in use, e.g. `libggml-cpu-zen4.so`. */
  readonly cpuLibrary: string;
  readonly ggml: Calls<typeof GGML>;
  readonly registry: Calls<typeof REGISTRY>;
  readonly cpu: Calls<typeof CPU>;
  readonly cpuDevice: Device;
}

/** What a device is, as ggml-backend.h numbers it. */
export const DEVICE_TYPE = { cpu: 0, gpu: 1, integratedGpu: 2, accelerator: 3 } as const;

let loaded: Native | undefined;

/**
 * Loads ggml and its CPU back end once per process, after the probe child has shown that they run here.
 * @throws NATIVE_PLATFORM_UNSUPPORTED, NATIVE_PROBE_FAILED, NATIVE_ABI_MISMATCH
 */
export function loadNative(): Native {
  loaded ??= load(findInstallation());
  return loaded;
}

function load(installation: Installation): Native {
  const cpuLibrary = selectCpuLibrary(installation);
  const ggml = bind(koffi.load(installation.base, { global: true }), GGML);
  silence(ggml.ggml_log_set);
  assertAbi(ggml, installation.directory);
  const registry = bind(koffi.load(installation.registry, { global: true }), REGISTRY);
  if (registry.ggml_backend_load(cpuLibrary) === null) {
    throw remoeError("NATIVE_CALL_FAILED", { call: "ggml_backend_load", reason: `cannot load ${cpuLibrary}` });
  }
  const cpuDevice = registry.ggml_backend_dev_by_type(DEVICE_TYPE.cpu);
  if (cpuDevice === null) {
    throw remoeError("NATIVE_CALL_FAILED", { call: "ggml_backend_dev_by_type", reason: "there is no CPU device" });
  }
  const cpu = bindPlugIn(ggml, cpuDevice, CPU);
  return { installation, cpuLibrary, ggml, registry, cpu, cpuDevice };
}

let llama: Calls<typeof LLAMA> | undefined;

/** libllama, loaded on first use: the vocabulary needs it, generation does not. */
export function loadLlama(native: Native): Calls<typeof LLAMA> {
  if (llama !== undefined) return llama;
  const calls = bind(koffi.load(native.installation.llama, { global: true }), LLAMA);
  silence(calls.llama_log_set);
  assertLlamaAbi(calls, native.installation.directory);
  calls.llama_backend_init();
  llama = calls;
  return calls;
}

function bind<Table extends SignatureTable>(library: Library, table: Table): Calls<Table> {
  const calls = Object.entries(table).map(([name, [result, parameters]]) => [
    name,
    library.func(name, koffiType(result), parameters.map(koffiType)),
  ]);
  return Object.fromEntries(calls) as Calls<Table>;
}

function bindPlugIn<Table extends SignatureTable>(
  ggml: Calls<typeof GGML>,
  device: Device,
  table: Table,
): Calls<Table> {
  const registry = ggml.ggml_backend_dev_backend_reg(device);
  const calls = Object.entries(table).map(([name, [result, parameters]]) => {
    const address = ggml.ggml_backend_reg_get_proc_address(registry, name);
    if (address === null) {
      throw remoeError("NATIVE_CALL_FAILED", { call: name, reason: "the CPU back end does not have it" });
    }
    return [name, koffi.decode(address, koffi.proto(koffiType(result), parameters.map(koffiType)))];
  });
  return Object.fromEntries(calls) as Calls<Table>;
}

/**
 * Sends the library's log nowhere. The callback is a C function that ignores its arguments: a JavaScript one would be
 * called from foreign threads, which koffi cannot survive (koffi issue 271).
 */
function silence(set: (callback: bigint, data: bigint | null) => undefined): void {
  const libc = koffi.load(process.platform === "win32" ? "msvcrt.dll" : null);
  set(libc.symbol("labs") as unknown as bigint, null);
}

function assertAbi(ggml: Calls<typeof GGML>, directory: string): void {
  const check = (what: string, actual: unknown, expected: unknown): void =>
    assertLayout(directory, what, actual, expected);
  check("ggml version", ggml.ggml_version(), "0.25.1");
  check("size of ggml_tensor", Number(ggml.ggml_tensor_overhead()) - 32, TENSOR_LAYOUT.size);

  const context = ggml.ggml_init({ mem_size: 4096, mem_buffer: null, no_alloc: true });
  const operand = ggml.ggml_new_tensor_3d(context, 0, 5, 7, 11);
  const sum = ggml.ggml_add(context, operand, operand);
  const read = (tensor: Tensor, offset: bigint): number => Number(koffi.decode(tensor + offset, "int64_t"));
  check(
    "offset of ggml_tensor.ne",
    [0n, 8n, 16n].map((i) => read(sum, TENSOR_LAYOUT.ne + i)),
    [5, 7, 11],
  );
  check(
    "offset of ggml_tensor.nb",
    [0n, 8n, 16n].map((i) => read(sum, TENSOR_LAYOUT.nb + i)),
    [4, 20, 140],
  );
  check("offset of ggml_tensor.src", read(sum, TENSOR_LAYOUT.src), operand);
  check("ggml_tensor.data of an unallocated tensor", read(sum, TENSOR_LAYOUT.data), 0);
  ggml.ggml_free(context);

  const parameters = new Uint8Array(2 * THREADPOOL_LAYOUT.size);
  ggml.ggml_threadpool_params_init(parameters, 3);
  const view = new DataView(parameters.buffer);
  check("offset of ggml_threadpool_params.n_threads", view.getInt32(THREADPOOL_LAYOUT.threads, true), 3);
  check("offset of ggml_threadpool_params.poll", view.getUint32(THREADPOOL_LAYOUT.poll, true), 50);
}

function assertLlamaAbi(calls: Calls<typeof LLAMA>, directory: string): void {
  const model = calls.llama_model_default_params();
  const context = calls.llama_context_default_params();
  assertLayout(directory, "llama_model_params.use_extra_bufts", model.use_extra_bufts, true);
  assertLayout(directory, "llama_model_params.vocab_only", model.vocab_only, false);
  assertLayout(directory, "llama_context_params.n_ctx", context.n_ctx, 512);
  assertLayout(directory, "llama_context_params.n_batch", context.n_batch, 2048);
  assertLayout(directory, "llama_context_params.no_perf", context.no_perf, true);
}

import koffi from "koffi";
import { remoeError } from "../core/errors.ts";
import type { CType } from "./signatures.ts";

/**
 * C structures of the pinned release as koffi sees them. `library.ts` compares sizes and offsets with what the loaded
 * library itself reports before anything else is called.
 */

const POINTER = "void *";

koffi.struct("ggml_init_params", { mem_size: "size_t", mem_buffer: POINTER, no_alloc: "bool" });

const TENSOR = koffi.struct("ggml_tensor", {
  type: "int",
  buffer: POINTER,
  ne: koffi.array("int64_t", 4, "Array"),
  nb: koffi.array("size_t", 4, "Array"),
  op: "int",
  op_params: koffi.array("int32_t", 16, "Array"),
  flags: "int32_t",
  src: koffi.array(POINTER, 10),
  view_src: POINTER,
  view_offs: "size_t",
  data: POINTER,
  name: koffi.array("char", 64),
  extra: POINTER,
  padding: koffi.array("uint8_t", 8),
});

const THREADPOOL_PARAMS = koffi.struct("ggml_threadpool_params", {
  cpumask: koffi.array("bool", 512),
  n_threads: "int",
  prio: "int",
  poll: "uint32_t",
  strict_cpu: "bool",
  paused: "bool",
});

koffi.struct("llama_model_params", {
  devices: POINTER,
  tensor_buft_overrides: POINTER,
  n_gpu_layers: "int32_t",
  split_mode: "int",
  load_mode: "int",
  lazy_mode: "int",
  main_gpu: "int32_t",
  tensor_split: POINTER,
  progress_callback: POINTER,
  progress_callback_user_data: POINTER,
  kv_overrides: POINTER,
  vocab_only: "bool",
  check_tensors: "bool",
  use_extra_bufts: "bool",
  no_host: "bool",
  no_alloc: "bool",
  load_mtp: "bool",
});

koffi.struct("llama_context_params", {
  n_ctx: "uint32_t",
  n_batch: "uint32_t",
  n_ubatch: "uint32_t",
  n_seq_max: "uint32_t",
  n_rs_seq: "uint32_t",
  n_outputs_max: "uint32_t",
  n_outputs_max_per_seq: "uint32_t",
  n_threads: "int32_t",
  n_threads_batch: "int32_t",
  ctx_type: "int",
  rope_scaling_type: "int",
  pooling_type: "int",
  attention_type: "int",
  flash_attn_type: "int",
  rope_freq_base: "float",
  rope_freq_scale: "float",
  yarn_ext_factor: "float",
  yarn_attn_factor: "float",
  yarn_beta_fast: "float",
  yarn_beta_slow: "float",
  yarn_orig_ctx: "uint32_t",
  defrag_thold: "float",
  cb_eval: POINTER,
  cb_eval_user_data: POINTER,
  type_k: "int",
  type_v: "int",
  abort_callback: POINTER,
  abort_callback_data: POINTER,
  embeddings: "bool",
  offload_kqv: "bool",
  no_perf: "bool",
  op_offload: "bool",
  swa_full: "bool",
  kv_unified: "bool",
  samplers: POINTER,
  n_samplers: "size_t",
  ctx_other: POINTER,
});

koffi.struct("llama_batch", {
  n_tokens: "int32_t",
  token: POINTER,
  embd: POINTER,
  pos: POINTER,
  n_seq_id: POINTER,
  seq_id: POINTER,
  logits: POINTER,
});

const STRUCTS: ReadonlySet<CType> = new Set([
  "ggml_init_params",
  "llama_model_params",
  "llama_context_params",
  "llama_batch",
]);

const SCALARS: Partial<Record<CType, string>> = {
  void: "void",
  bool: "bool",
  i32: "int32_t",
  u32: "uint32_t",
  i64: "int64_t",
  usize: "size_t",
  f32: "float",
  string: "const char *",
  "string?": "const char *",
};

/** koffi's name of a signature word; everything that is no scalar and no struct is a pointer. */
export function koffiType(type: CType): string {
  if (STRUCTS.has(type)) return type;
  return SCALARS[type] ?? POINTER;
}

const offset = (field: string): bigint => BigInt(koffi.offsetof(TENSOR, field));

export const TENSOR_LAYOUT = {
  size: koffi.sizeof(TENSOR),
  type: offset("type"),
  buffer: offset("buffer"),
  ne: offset("ne"),
  nb: offset("nb"),
  src: offset("src"),
  data: offset("data"),
  extra: offset("extra"),
} as const;

export const THREADPOOL_LAYOUT = {
  size: koffi.sizeof(THREADPOOL_PARAMS),
  threads: koffi.offsetof(THREADPOOL_PARAMS, "n_threads"),
  poll: koffi.offsetof(THREADPOOL_PARAMS, "poll"),
} as const;

/** Refuses a library whose `what` differs from the one this binding was written for. */
export function assertLayout(directory: string, what: string, actual: unknown, expected: unknown): void {
  if (String(actual) === String(expected)) return;
  throw remoeError("NATIVE_ABI_MISMATCH", { directory, what, actual: String(actual), expected: String(expected) });
}

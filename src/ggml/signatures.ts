/**
 * The C functions Remoe calls, one line each: `name: [result, arguments]`, in the order of ggml.h, ggml-backend.h and
 * llama.h of the pinned release. The compiler derives the TypeScript type of every call from these lines, and
 * `library.ts` binds them; nothing else in the project names a C symbol.
 *
 * Pointers are branded bigints (the address), so a tensor cannot be passed where a graph is wanted.
 */

declare const brand: unique symbol;
export type Pointer<Name extends string> = bigint & { readonly [brand]: Name };

export type Context = Pointer<"ggml_context">;
export type Tensor = Pointer<"ggml_tensor">;
export type Graph = Pointer<"ggml_cgraph">;
export type Backend = Pointer<"ggml_backend">;
export type Device = Pointer<"ggml_backend_device">;
export type Registry = Pointer<"ggml_backend_reg">;
export type BufferType = Pointer<"ggml_backend_buffer_type">;
export type NativeBuffer = Pointer<"ggml_backend_buffer">;
export type GraphAllocator = Pointer<"ggml_gallocr">;
export type GraphPlan = Pointer<"ggml_backend_graph_plan">;
export type ThreadPool = Pointer<"ggml_threadpool">;
export type LlamaModel = Pointer<"llama_model">;
export type LlamaContext = Pointer<"llama_context">;
export type LlamaMemory = Pointer<"llama_memory">;
export type LlamaVocabulary = Pointer<"llama_vocab">;
export type Address = bigint;

/** Memory JavaScript owns, handed to C for the length of one call. */
export type Bytes = Uint8Array | Float32Array | Int32Array;

export interface ContextParameters {
  readonly mem_size: number;
  readonly mem_buffer: null;
  readonly no_alloc: boolean;
}

/** Only the fields Remoe sets; the rest keep the library's defaults. */
export interface LlamaModelParameters {
  n_gpu_layers: number;
  vocab_only: boolean;
  use_extra_bufts: boolean;
}

export interface LlamaContextParameters {
  n_ctx: number;
  n_seq_max: number;
  n_batch: number;
  n_ubatch: number;
  n_threads: number;
  n_threads_batch: number;
  no_perf: boolean;
}

export interface LlamaBatch {
  n_tokens: number;
  readonly token: Address;
  readonly pos: Address;
  readonly n_seq_id: Address;
  readonly seq_id: Address;
  readonly logits: Address;
}

/** What a word of the signature table means in TypeScript. */
interface TypeOf {
  void: undefined;
  bool: boolean;
  i32: number;
  u32: number;
  /** 64-bit results arrive as number or bigint: read them through `Number(…)`. */
  i64: number | bigint;
  usize: number | bigint;
  f32: number;
  string: string;
  "string?": string | null;
  bytes: Bytes | null;
  address: Address;
  "address?": Address | null;
  context: Context;
  tensor: Tensor;
  "tensor?": Tensor | null;
  graph: Graph;
  backend: Backend;
  device: Device;
  "device?": Device | null;
  registry: Registry;
  "registry?": Registry | null;
  bufferType: BufferType;
  buffer: NativeBuffer;
  "buffer?": NativeBuffer | null;
  allocator: GraphAllocator;
  plan: GraphPlan;
  threadPool: ThreadPool;
  "threadPool?": ThreadPool | null;
  llamaModel: LlamaModel;
  "llamaModel?": LlamaModel | null;
  llamaContext: LlamaContext;
  "llamaContext?": LlamaContext | null;
  llamaMemory: LlamaMemory;
  llamaVocabulary: LlamaVocabulary;
  ggml_init_params: ContextParameters;
  llama_model_params: LlamaModelParameters;
  llama_context_params: LlamaContextParameters;
  llama_batch: LlamaBatch;
}

export type CType = keyof TypeOf;
export type Signature = readonly [result: CType, parameters: readonly CType[]];
export type SignatureTable = Readonly<Record<string, Signature>>;

type Arguments<P extends readonly CType[]> = { readonly [I in keyof P]: TypeOf[P[I]] };

/** The calls of a signature table. */
export type Calls<Table extends SignatureTable> = {
  readonly [Name in keyof Table]: (...args: Arguments<Table[Name][1]>) => TypeOf[Table[Name][0]];
};

/** libggml-base */
export const GGML = {
  ggml_version: ["string", []],
  ggml_log_set: ["void", ["address", "address?"]],
  ggml_init: ["context", ["ggml_init_params"]],
  ggml_free: ["void", ["context"]],
  ggml_get_mem_buffer: ["address", ["context"]],
  ggml_tensor_overhead: ["usize", []],
  ggml_blck_size: ["i64", ["i32"]],
  ggml_type_size: ["usize", ["i32"]],
  ggml_type_name: ["string", ["i32"]],
  ggml_graph_overhead_custom: ["usize", ["usize", "bool"]],
  ggml_new_tensor_1d: ["tensor", ["context", "i32", "i64"]],
  ggml_new_tensor_2d: ["tensor", ["context", "i32", "i64", "i64"]],
  ggml_new_tensor_3d: ["tensor", ["context", "i32", "i64", "i64", "i64"]],

  ggml_add: ["tensor", ["context", "tensor", "tensor"]],
  ggml_mul: ["tensor", ["context", "tensor", "tensor"]],
  ggml_div: ["tensor", ["context", "tensor", "tensor"]],
  ggml_sum_rows: ["tensor", ["context", "tensor"]],
  ggml_rms_norm: ["tensor", ["context", "tensor", "f32"]],
  ggml_mul_mat: ["tensor", ["context", "tensor", "tensor"]],
  ggml_mul_mat_id: ["tensor", ["context", "tensor", "tensor", "tensor"]],
  ggml_norm: ["tensor", ["context", "tensor", "f32"]],
  ggml_scale: ["tensor", ["context", "tensor", "f32"]],
  ggml_sigmoid: ["tensor", ["context", "tensor"]],
  ggml_silu: ["tensor", ["context", "tensor"]],
  ggml_gelu: ["tensor", ["context", "tensor"]],
  ggml_fill: ["tensor", ["context", "tensor", "f32"]],
  ggml_cont: ["tensor", ["context", "tensor"]],
  ggml_concat: ["tensor", ["context", "tensor", "tensor", "i32"]],
  ggml_repeat_4d: ["tensor", ["context", "tensor", "i64", "i64", "i64", "i64"]],
  ggml_add_id: ["tensor", ["context", "tensor", "tensor", "tensor"]],
  ggml_swiglu_oai: ["tensor", ["context", "tensor", "tensor", "f32", "f32"]],
  ggml_clamp: ["tensor", ["context", "tensor", "f32", "f32"]],
  ggml_soft_max: ["tensor", ["context", "tensor"]],
  ggml_swiglu: ["tensor", ["context", "tensor"]],
  ggml_swiglu_split: ["tensor", ["context", "tensor", "tensor"]],
  ggml_argsort_top_k: ["tensor", ["context", "tensor", "i32"]],
  ggml_get_rows: ["tensor", ["context", "tensor", "tensor"]],
  ggml_set_rows: ["tensor", ["context", "tensor", "tensor", "tensor"]],
  ggml_reshape_2d: ["tensor", ["context", "tensor", "i64", "i64"]],
  ggml_reshape_3d: ["tensor", ["context", "tensor", "i64", "i64", "i64"]],
  ggml_reshape_4d: ["tensor", ["context", "tensor", "i64", "i64", "i64", "i64"]],
  ggml_view_1d: ["tensor", ["context", "tensor", "i64", "usize"]],
  ggml_view_2d: ["tensor", ["context", "tensor", "i64", "i64", "usize", "usize"]],
  ggml_view_3d: ["tensor", ["context", "tensor", "i64", "i64", "i64", "usize", "usize", "usize"]],
  ggml_permute: ["tensor", ["context", "tensor", "i32", "i32", "i32", "i32"]],
  ggml_rope_ext: [
    "tensor",
    [
      ...(["context", "tensor", "tensor", "tensor?", "i32", "i32", "i32"] as const),
      ...(["f32", "f32", "f32", "f32", "f32", "f32"] as const),
    ],
  ],
  ggml_rope_set_offset: ["tensor", ["tensor", "i32"]],
  ggml_flash_attn_ext_add_sinks: ["void", ["tensor", "tensor"]],
  ggml_flash_attn_ext: ["tensor", ["context", "tensor", "tensor", "tensor", "tensor?", "f32", "f32", "f32"]],
  ggml_prec_set_acc: ["void", ["tensor", "i32"]],

  ggml_new_graph_custom: ["graph", ["context", "usize", "bool"]],
  ggml_build_forward_expand: ["void", ["graph", "tensor"]],
  ggml_threadpool_params_init: ["void", ["bytes", "i32"]],
  ggml_quantize_chunk: ["usize", ["i32", "bytes", "bytes", "i64", "i64", "i64", "bytes"]],

  ggml_backend_buft_name: ["string", ["bufferType"]],
  ggml_backend_buft_alloc_buffer: ["buffer?", ["bufferType", "usize"]],
  ggml_backend_buft_get_alignment: ["usize", ["bufferType"]],
  ggml_backend_buft_get_alloc_size: ["usize", ["bufferType", "tensor"]],
  ggml_backend_buft_is_host: ["bool", ["bufferType"]],
  ggml_backend_buffer_free: ["void", ["buffer"]],
  ggml_backend_buffer_get_base: ["address", ["buffer"]],
  ggml_backend_buffer_set_usage: ["void", ["buffer", "i32"]],
  ggml_backend_buffer_clear: ["void", ["buffer", "u32"]],
  ggml_backend_tensor_alloc: ["i32", ["buffer", "tensor", "address"]],
  ggml_backend_tensor_set: ["void", ["tensor", "bytes", "usize", "usize"]],
  ggml_backend_tensor_get: ["void", ["tensor", "bytes", "usize", "usize"]],
  ggml_backend_dev_name: ["string", ["device"]],
  ggml_backend_dev_description: ["string", ["device"]],
  ggml_backend_dev_type: ["i32", ["device"]],
  ggml_backend_dev_init: ["backend", ["device", "string?"]],
  ggml_backend_dev_buffer_type: ["bufferType", ["device"]],
  ggml_backend_dev_backend_reg: ["registry", ["device"]],
  ggml_backend_reg_get_proc_address: ["address?", ["registry", "string"]],
  ggml_backend_graph_compute: ["i32", ["backend", "graph"]],
  ggml_backend_graph_plan_create: ["plan", ["backend", "graph"]],
  ggml_backend_graph_plan_compute: ["i32", ["backend", "plan"]],
  ggml_backend_graph_plan_free: ["void", ["backend", "plan"]],
  ggml_backend_free: ["void", ["backend"]],
  ggml_gallocr_new: ["allocator", ["bufferType"]],
  ggml_gallocr_reserve: ["bool", ["allocator", "graph"]],
  ggml_gallocr_alloc_graph: ["bool", ["allocator", "graph"]],
  ggml_gallocr_free: ["void", ["allocator"]],
} as const satisfies SignatureTable;

/** libggml: the registry of backends */
export const REGISTRY = {
  ggml_backend_load: ["registry?", ["string"]],
  ggml_backend_dev_count: ["usize", []],
  ggml_backend_dev_get: ["device", ["usize"]],
  ggml_backend_dev_by_type: ["device?", ["i32"]],
} as const satisfies SignatureTable;

/** Functions of the CPU backend, which is a plug-in: looked up by name in its registry. */
export const CPU = {
  ggml_backend_set_n_threads: ["void", ["backend", "i32"]],
  ggml_threadpool_new: ["threadPool", ["bytes"]],
  ggml_threadpool_free: ["void", ["threadPool"]],
  ggml_backend_cpu_set_threadpool: ["void", ["backend", "threadPool?"]],
  ggml_backend_dev_get_extra_bufts: ["address?", ["device"]],
} as const satisfies SignatureTable;

/** libllama: the vocabulary, and the whole model as the reference Remoe is measured against */
export const LLAMA = {
  llama_log_set: ["void", ["address", "address?"]],
  llama_backend_init: ["void", []],
  llama_model_default_params: ["llama_model_params", []],
  llama_context_default_params: ["llama_context_params", []],
  llama_model_load_from_file: ["llamaModel?", ["string", "llama_model_params"]],
  llama_model_free: ["void", ["llamaModel"]],
  llama_model_get_vocab: ["llamaVocabulary", ["llamaModel"]],
  llama_vocab_n_tokens: ["i32", ["llamaVocabulary"]],
  llama_vocab_is_eog: ["bool", ["llamaVocabulary", "i32"]],
  llama_tokenize: ["i32", ["llamaVocabulary", "bytes", "i32", "bytes", "i32", "bool", "bool"]],
  llama_token_to_piece: ["i32", ["llamaVocabulary", "i32", "bytes", "i32", "i32", "bool"]],
  llama_init_from_model: ["llamaContext?", ["llamaModel", "llama_context_params"]],
  llama_free: ["void", ["llamaContext"]],
  llama_attach_threadpool: ["void", ["llamaContext", "threadPool", "threadPool"]],
  llama_get_memory: ["llamaMemory", ["llamaContext"]],
  llama_memory_clear: ["void", ["llamaMemory", "bool"]],
  llama_batch_init: ["llama_batch", ["i32", "i32", "i32"]],
  llama_batch_free: ["void", ["llama_batch"]],
  llama_decode: ["i32", ["llamaContext", "llama_batch"]],
  llama_get_logits_ith: ["address?", ["llamaContext", "i32"]],
} as const satisfies SignatureTable;

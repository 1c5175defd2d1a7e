import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";
import { TYPE_TRAITS } from "../gguf/types.ts";
import { SUPPORTED_ARCHITECTURES } from "../model/registry.ts";

/** Layers that follow each other and store their experts alike. */
export interface ExpertGroup {
  readonly firstLayer: number;
  readonly lastLayer: number;
  readonly bytesPerExpert: number;
  /** Tensor types by matrix, e.g. `{gate: "q4_K", up: "q4_K", down: "q6_K"}`. */
  readonly types: Readonly<Record<string, string>>;
}

/** What a model file says of itself; `null` for what it does not say. */
export interface Inspection {
  readonly path: string;
  readonly name: string | null;
  readonly architecture: string;
  /** Whether Remoe runs this architecture. */
  readonly supported: boolean;
  readonly layers: number | null;
  readonly moeLayers: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  readonly sharedExperts: number;
  readonly hidden: number | null;
  readonly contextLength: number | null;
  readonly vocabulary: number | null;
  readonly bytes: {
    /** Of the tensors; the file's header comes on top. */
    readonly total: number;
    readonly nonExpert: number;
    readonly experts: number;
    /** Mean over the MoE layers; 0 without experts. */
    readonly perExpert: number;
  };
  readonly quantisation: readonly { readonly type: string; readonly tensors: number; readonly bytes: number }[];
  readonly expertTable: readonly ExpertGroup[];
}

/** Experts of a layer, stacked or (in older files) each on its own, as llama.cpp names them in every architecture. */
const EXPERT_TENSOR = /^blk\.(\d+)\.ffn_(\w+?)(?:_exps|\.\d+)\.(weight|bias)$/;

/**
 * Reads the table of a model file by the naming that all architectures share, so that those Remoe cannot run are
 * described too.
 * @throws MODEL_METADATA_INVALID for a file without architecture, or with text where a number belongs
 */
export function inspectModel(file: GgufFile): Inspection {
  const { metadata } = file;
  const architecture = metadata.string("general.architecture");
  const count = (key: string): number => metadata.numberOr(`${architecture}.${key}`, 0);
  const known = (key: string): number | null => (metadata.has(`${architecture}.${key}`) ? count(key) : null);
  const tensors = [...file.tensors.values()];
  const layers = expertLayers(tensors);
  const experts = count("expert_count");
  const total = sumBytes(tensors);
  const expertBytes = sumBytes([...layers.values()].flat());
  return {
    path: file.path,
    name: metadata.has("general.name") ? metadata.string("general.name") : null,
    architecture,
    supported: SUPPORTED_ARCHITECTURES.includes(architecture),
    layers: known("block_count"),
    moeLayers: layers.size,
    experts,
    expertsPerToken: count("expert_used_count"),
    sharedExperts: count("expert_shared_count"),
    hidden: known("embedding_length"),
    contextLength: known("context_length"),
    vocabulary: file.tensors.get("token_embd.weight")?.shape[1] ?? null,
    bytes: {
      total,
      nonExpert: total - expertBytes,
      experts: expertBytes,
      perExpert: expertBytes === 0 ? 0 : expertBytes / (layers.size * experts),
    },
    quantisation: quantisationOf(tensors),
    expertTable: expertTableOf(layers, experts),
  };
}

/** Expert tensors by layer, in the layers' order. */
function expertLayers(tensors: readonly TensorInfo[]): ReadonlyMap<number, readonly TensorInfo[]> {
  const layers = new Map<number, TensorInfo[]>();
  for (const tensor of tensors) {
    const layer = EXPERT_TENSOR.exec(tensor.name)?.[1];
    if (layer !== undefined) layers.set(Number(layer), [...(layers.get(Number(layer)) ?? []), tensor]);
  }
  return new Map([...layers].sort(([a], [b]) => a - b));
}

function quantisationOf(tensors: readonly TensorInfo[]): Inspection["quantisation"] {
  const types = [...new Set(tensors.map(({ type }) => type))];
  return types
    .map((type) => {
      const members = tensors.filter((tensor) => tensor.type === type);
      return { type: TYPE_TRAITS[type].name, tensors: members.length, bytes: sumBytes(members) };
    })
    .sort((a, b) => b.bytes - a.bytes);
}

function expertTableOf(layers: ReadonlyMap<number, readonly TensorInfo[]>, experts: number): readonly ExpertGroup[] {
  const groups: ExpertGroup[] = [];
  for (const [layer, tensors] of layers) {
    const next = {
      firstLayer: layer,
      lastLayer: layer,
      bytesPerExpert: sumBytes(tensors) / experts,
      types: typesOf(tensors),
    };
    const last = groups.at(-1);
    if (last !== undefined && last.lastLayer === layer - 1 && sameTypes(last, next)) {
      groups[groups.length - 1] = { ...last, lastLayer: layer };
    } else {
      groups.push(next);
    }
  }
  return groups;
}

function typesOf(tensors: readonly TensorInfo[]): ExpertGroup["types"] {
  const matrices = tensors.filter(({ name }) => name.endsWith(".weight"));
  return Object.fromEntries(
    matrices.map(({ name, type }) => [EXPERT_TENSOR.exec(name)?.[2] ?? name, TYPE_TRAITS[type].name]),
  );
}

function sameTypes(a: ExpertGroup, b: ExpertGroup): boolean {
  return JSON.stringify(a.types) === JSON.stringify(b.types);
}

function sumBytes(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, { bytes }) => sum + bytes, 0);
}

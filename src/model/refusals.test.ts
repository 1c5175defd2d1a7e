import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readGguf } from "../gguf/read.ts";
import { GgmlType, tensorBytes } from "../gguf/types.ts";
import { writeGguf } from "../gguf/write.ts";
import type { Transformer } from "./architecture.ts";
import { readTransformer, SUPPORTED_ARCHITECTURES } from "./registry.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "refusals-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What all architectures say of themselves. */
const KEYS: Readonly<Record<string, number>> = {
  block_count: 1,
  context_length: 64,
  embedding_length: 32,
  feed_forward_length: 32,
  expert_feed_forward_length: 32,
  expert_shared_count: 1,
  "attention.head_count": 2,
  "attention.head_count_kv": 1,
  "attention.layer_norm_rms_epsilon": 1e-6,
  expert_count: 4,
  expert_used_count: 2,
};

type Tensors = Readonly<Record<string, readonly number[]>>;

/** Of a Mixtral with one block. */
const TENSORS: Tensors = {
  "token_embd.weight": [32, 16],
  "output_norm.weight": [32],
  "blk.0.attn_norm.weight": [32],
  "blk.0.attn_q.weight": [32, 32],
  "blk.0.attn_k.weight": [32, 16],
  "blk.0.attn_v.weight": [32, 16],
  "blk.0.attn_output.weight": [32, 32],
  "blk.0.ffn_norm.weight": [32],
  "blk.0.ffn_gate_inp.weight": [32, 4],
  "blk.0.ffn_gate_exps.weight": [32, 32, 4],
  "blk.0.ffn_up_exps.weight": [32, 32, 4],
  "blk.0.ffn_down_exps.weight": [32, 32, 4],
};

interface Header {
  readonly architecture?: string;
  /** What differs from {@link KEYS}, without the architecture's name. */
  readonly keys?: Readonly<Record<string, number | string>>;
  readonly tensors?: Tensors;
}

function read({ architecture = "llama", keys = {}, tensors = {} }: Header): Transformer {
  const path = join(folder, "model.gguf");
  const entries = Object.entries({ ...KEYS, ...keys }).map(([key, value]) => {
    const typed = typeof value === "string" ? { type: "string", value } : { type: "float32", value };
    return [`${architecture}.${key}`, typed] as const;
  });
  const all = Object.entries({ ...TENSORS, ...tensors }).map(([name, shape]) => {
    return { name, type: GgmlType.F32, shape, data: () => [new Uint8Array(tensorBytes(GgmlType.F32, shape))] };
  });
  const named = ["general.architecture", { type: "string", value: architecture }] as const;
  writeGguf(path, { metadata: [named, ...entries] as Parameters<typeof writeGguf>[1]["metadata"], tensors: all });
  return readTransformer(readGguf(path));
}

it("a file that has all it needs is read", () => {
  expect(read({}).hyper).toMatchObject({ blocks: 1, layers: 1, hidden: 32, experts: 4, expertsPerToken: 2 });
});

it("an architecture that is not supported is refused by name, with those that are", () => {
  const hint = `Supported architectures: ${SUPPORTED_ARCHITECTURES.join(", ")}.`;
  const refusal = { code: "MODEL_ARCHITECTURE_UNSUPPORTED", hint, message: expect.stringContaining("'mamba'") };
  expect(() => read({ architecture: "mamba" })).toThrow(expect.objectContaining(refusal));
});

it("a llama file without experts is refused", () => {
  const refusal = expect.objectContaining({ code: "MODEL_HAS_NO_EXPERTS" });
  expect(() => read({ keys: { expert_count: 0 } })).toThrow(refusal);
});

describe("metadata that does not fit is refused, naming key and value", () => {
  it.each<[what: string, header: Header, message: string]>([
    [
      "a last block without experts",
      { architecture: "glm4moe", keys: { leading_dense_block_count: 1 } },
      "'glm4moe.block_count' is 1 with experts in [], expected experts in the last block",
    ],
    [
      "more experts for a token than there are",
      { keys: { expert_used_count: 5 } },
      "'llama.expert_used_count' is 5, more than the 4 experts",
    ],
    [
      "an unknown number for the scoring of experts",
      { architecture: "glm4moe", keys: { expert_gating_func: 4 } },
      "'glm4moe.expert_gating_func' is 4, expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the chosen)",
    ],
    [
      "groups that the experts do not fill",
      { architecture: "glm4moe", keys: { expert_group_count: 3, expert_group_used_count: 1 } },
      "'glm4moe.expert_group_count' is 3, which 4 experts or 1 used groups do not fit",
    ],
    [
      "groups of one expert",
      { architecture: "glm4moe", keys: { expert_group_count: 4, expert_group_used_count: 2 } },
      "'glm4moe.expert_group_count' is 4",
    ],
    [
      "groups with too few experts for a token",
      { architecture: "glm4moe", keys: { expert_group_count: 2, expert_group_used_count: 1, expert_used_count: 3 } },
      "'glm4moe.expert_group_count' is 2",
    ],
    [
      "an unknown scaling of positions",
      { keys: { "rope.scaling.type": "su" } },
      "'llama.rope.scaling.type' is 'su', expected none, linear, yarn or longrope",
    ],
    [
      "more rotated columns than a head has",
      { keys: { "rope.dimension_count": 18 } },
      "'llama.rope.dimension_count' is 18, expected an even number up to a head's 16",
    ],
    [
      "heads that share no whole number of key heads",
      { keys: { "attention.head_count_kv": 3 } },
      "'llama.attention.head_count_kv' is 3, no divisor of 2 heads",
    ],
  ])("%s", (_, header, message) => {
    const refusal = { code: "MODEL_METADATA_INVALID", message: expect.stringContaining(message) };
    expect(() => read(header)).toThrow(expect.objectContaining(refusal));
  });
});

describe("a tensor of another shape is refused, naming both shapes", () => {
  it.each<[name: string, shape: readonly number[], expected: string]>([
    ["token_embd.weight", [64, 16], "[32,16]"],
    ["output_norm.weight", [16], "[32]"],
    ["blk.0.attn_output.weight", [16, 32], "[32,32]"],
    ["blk.0.ffn_gate_inp.weight", [32, 8], "[32,4]"],
    ["blk.0.ffn_down_exps.weight", [32, 32, 8], "[32,32,4]"],
  ])("%s", (name, shape, expected) => {
    const message = `tensor '${name}' has the shape [${shape}], expected ${expected}`;
    const refusal = { code: "MODEL_TENSOR_INVALID", message: expect.stringContaining(message) };
    expect(() => read({ tensors: { [name]: shape } })).toThrow(expect.objectContaining(refusal));
  });
});

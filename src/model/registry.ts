import { remoeError } from "../core/errors.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { Architecture, Transformer } from "./architecture.ts";
import { bailingmoe2 } from "./bailingmoe2.ts";
import { deepseek2 } from "./deepseek2.ts";
import { ernie45moe } from "./ernie4-5-moe.ts";
import { glm4moe } from "./glm4moe.ts";
import { gptOss } from "./gpt-oss.ts";
import { gpt2moe } from "./gpt2moe.ts";
import { granitemoe } from "./granitemoe.ts";
import { llama } from "./llama.ts";
import { olmoe } from "./olmoe.ts";
import { phimoe } from "./phimoe.ts";
import { qwen2moe } from "./qwen2moe.ts";
import { qwen3moe } from "./qwen3moe.ts";

const ARCHITECTURES: readonly Architecture[] = [
  bailingmoe2,
  deepseek2,
  ernie45moe,
  glm4moe,
  gpt2moe,
  gptOss,
  granitemoe,
  llama,
  olmoe,
  phimoe,
  qwen2moe,
  qwen3moe,
];

export const SUPPORTED_ARCHITECTURES: readonly string[] = ARCHITECTURES.map(({ name }) => name);

/**
 * A model as its file describes it.
 * @param contextLength tokens a sequence may have; what the model was trained on by default
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED naming those that are supported
 * @throws MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function readTransformer(file: GgufFile, contextLength?: number): Transformer {
  return architectureOf(file).read(file, contextLength);
}

function architectureOf(file: GgufFile): Architecture {
  const name = file.metadata.string("general.architecture");
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found !== undefined) return found;
  const supported = SUPPORTED_ARCHITECTURES.join(", ");
  throw remoeError("MODEL_ARCHITECTURE_UNSUPPORTED", { path: file.path, architecture: name, supported });
}

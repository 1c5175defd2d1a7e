import { remoeError } from "../core/errors.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { Architecture } from "./architecture.ts";
import { qwen3moe } from "./qwen3moe.ts";

const ARCHITECTURES: readonly Architecture[] = [qwen3moe];

export const SUPPORTED_ARCHITECTURES: readonly string[] = ARCHITECTURES.map(({ name }) => name);

/** @throws MODEL_ARCHITECTURE_UNSUPPORTED naming those that are */
export function architectureOf(file: GgufFile): Architecture {
  const name = file.metadata.string("general.architecture");
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found !== undefined) return found;
  const supported = SUPPORTED_ARCHITECTURES.join(", ");
  throw remoeError("MODEL_ARCHITECTURE_UNSUPPORTED", { path: file.path, architecture: name, supported });
}

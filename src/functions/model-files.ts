import { isModelUrl } from "../gguf/model-url.ts";
import { partPaths } from "../gguf/split-format.ts";
import type { FunctionProgram } from "./spec.ts";

/**
 * Paths of the files on this machine that a function reads its weights from; those of a split model by the rule for their
 * names. None for a model behind a URL.
 */
export function modelFiles({ model }: Pick<FunctionProgram, "model">): readonly string[] {
  return isModelUrl(model) ? [] : partPaths(model);
}

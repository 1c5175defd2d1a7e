import { partPaths } from "../gguf/split-format.ts";
import type { FunctionProgram } from "./spec.ts";

/** Paths of the files a function reads its weights from; those of a split model by the rule for their names. */
export function modelFiles({ model }: Pick<FunctionProgram, "model">): readonly string[] {
  return partPaths(model);
}

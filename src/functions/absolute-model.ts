import { resolve } from "node:path";
import { isModelUrl } from "../gguf/model-url.ts";

/** Where a model is, so that it is found from any folder: a path is made absolute, a URL stays as it is. */
export function absoluteModel(location: string): string {
  return isModelUrl(location) ? location : resolve(location);
}

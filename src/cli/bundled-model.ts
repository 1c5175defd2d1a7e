import { join } from "node:path";
import { packageRoot } from "../platform/package-root.ts";

/** Path of the model that comes with Remoe. */
export function bundledModel(): string {
  return join(packageRoot(), "models", "tiny-moe", "tiny-moe-q8_0.gguf");
}

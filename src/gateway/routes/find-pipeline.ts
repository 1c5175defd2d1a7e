import { remoeError } from "../../core/errors.ts";
import type { Pipeline } from "../pipeline.ts";

/**
 * The pipeline of a model id, or the first one for a request that names none.
 * @throws MODEL_NOT_SERVED
 */
export function findPipeline(pipelines: ReadonlyMap<string, Pipeline>, model: string | null): Pipeline {
  const [first] = pipelines.values();
  const found = model === null ? first : pipelines.get(model);
  if (found === undefined) {
    throw remoeError("MODEL_NOT_SERVED", { model: model ?? "", served: [...pipelines.keys()].join(", ") });
  }
  return found;
}

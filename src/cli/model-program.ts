import { availableParallelism } from "node:os";
import type { Numerics } from "../engine/create-passes.ts";
import type { ModelProgram } from "../gateway/function-specs.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import { chooseContext } from "./served-model.ts";

export interface ProgramOptions {
  /** Defaults to the model's own context, at most 4096. */
  readonly contextLength?: number | undefined;
  /** Requests that the main function computes at the same time. Defaults to 1. */
  readonly parallel?: number | undefined;
  /** Threads of the main function. Defaults to its processors, which follow from its memory. */
  readonly threads?: number | undefined;
  /** ggml device for everything but the experts. */
  readonly device?: string | undefined;
  readonly numerics?: Numerics | undefined;
}

/** What the functions of a model have in common, on this machine. @throws CONTEXT_TOO_LONG */
export function toModelProgram(file: GgufFile, options: ProgramOptions): ModelProgram {
  const { layers, experts, contextLength: trained } = readTransformer(file).hyper;
  const contextLength = chooseContext(trained, options.contextLength);
  return {
    model: file.location,
    layers,
    experts,
    contextLength,
    parallel: options.parallel ?? 1,
    numerics: options.numerics ?? "default",
    device: options.device ?? null,
    threads: options.threads ?? null,
    processors: availableParallelism(),
  };
}

import type { Numerics } from "../engine/forward-passes.ts";

/** What a main function is told at its start, as JSON in the environment variable REMOE_FUNCTION. */
export interface MainFunctionSpec {
  readonly role: "main";
  /** Path of the model file. */
  readonly model: string;
  readonly contextLength: number;
  /** Threads that compute. */
  readonly threads: number;
  readonly numerics: Numerics;
  /** `null`: processor only; else the ggml device that takes non-expert weights and the cache, e.g. `Vulkan0`. */
  readonly device: string | null;
  /** Unix socket or named pipe to listen on. */
  readonly listen: string;
  /** Wall-clock milliseconds at which the platform created the process. */
  readonly spawnedAt: number;
}

/** The line a function writes to standard output when it serves, or the reason why it cannot. */
export type StartReport =
  | { readonly type: "ready"; readonly coldStart: StartTimes }
  | { readonly type: "failed"; readonly error: unknown };

/** Parts of a cold start that the function itself sees, in milliseconds. */
export interface StartTimes {
  /** Process creation until its first line of JavaScript. */
  readonly processMs: number;
  /** Native libraries loaded and checked. */
  readonly librariesMs: number;
  /** Header parsed, weights read and repacked. */
  readonly weightsMs: number;
}

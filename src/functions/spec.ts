import type { Numerics } from "../engine/create-passes.ts";
import type { ExpertSelection } from "../engine/expert-bank.ts";

/** What a main function runs. */
export interface MainProgram {
  readonly role: "main";
  /** Path of the model file. */
  readonly model: string;
  /** Of each generation. */
  readonly contextLength: number;
  /** Generations computed at the same time; more wait their turn. */
  readonly parallel: number;
  /** Threads that compute. */
  readonly threads: number;
  readonly numerics: Numerics;
  /** `null`: processor only; else the ggml device that takes non-expert weights and the cache, e.g. `Vulkan0`. */
  readonly device: string | null;
  /** The local experts; `null`: all of them. */
  readonly experts: ExpertSelection | null;
}

/** What an expert function runs. */
export interface ExpertsProgram {
  readonly role: "experts";
  readonly model: string;
  readonly threads: number;
  readonly experts: ExpertSelection;
}

/** Plain data: instances with equal programs are interchangeable. */
export type FunctionProgram = MainProgram | ExpertsProgram;

export type FunctionRole = FunctionProgram["role"];

/** What a function is told at its start, as JSON in the environment variable REMOE_FUNCTION. */
export interface FunctionStart {
  /** As in bills and logs, e.g. `main`, `experts-0-5`. */
  readonly name: string;
  readonly program: FunctionProgram;
  /** Most memory the platform lets it have, in MiB. */
  readonly memoryMb: number;
  /** Processors it may use. */
  readonly vcpus: number;
  /** Where to listen: an endpoint as in src/wire/endpoint.ts. */
  readonly listen: string;
  /** Shared by the functions of one gateway; peers that do not know it get nothing. */
  readonly secret: string;
  /** Wall-clock milliseconds at which the platform created the process. */
  readonly spawnedAt: number;
}

/** The line a function writes to standard output when it serves, or the reason why it cannot. */
export type StartReport =
  | { readonly type: "ready"; readonly endpoint: string; readonly coldStart: StartTimes; readonly weightBytes: number }
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

/** Where the time of a cold start went. */
export interface ColdStart extends StartTimes {
  /** Creation to ready, as the platform saw it. */
  readonly totalMs: number;
}

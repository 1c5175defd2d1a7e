import type { Numerics } from "../engine/create-passes.ts";
import type { ExpertSelection } from "../engine/expert-bank.ts";

/** What a main function runs. */
export interface MainProgram {
  readonly role: "main";
  /** Path or URL of the model file. */
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

/** In REMOE_FUNCTION: the parent process tells the start, in the first line of standard input. */
export const TOLD_BY_PARENT = "-";

/**
 * What a function is told at its start, as JSON in the environment variable REMOE_FUNCTION, or where that is
 * {@link TOLD_BY_PARENT} when its parent knows it. The secret may stand in REMOE_FUNCTION_SECRET instead, where others can
 * read the rest.
 */
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
  /** Wall-clock milliseconds at which the platform created the process. Defaults to what the process itself knows. */
  readonly spawnedAt?: number;
  /**
   * For functions whose starter is not their parent process; `null`: it is a platform that looks at nothing but where they
   * listen, which must be an `http:` endpoint.
   */
  readonly control?: ControlStart | null;
}

/** How a function and its starter hear of each other over a network. */
export interface ControlStart {
  /** Endpoint of the control server (control-server.ts). */
  readonly listen: string;
  /** How long the function goes on while no starter is connected to it. */
  readonly graceMs: number;
  /** Where it writes why it could not start, as a {@link StartReport} in JSON. */
  readonly failureFile: string;
}

/**
 * Version of what functions, gateways and platforms say to each other here and in protocol.ts; to be raised when one side
 * has to know of a change. Version 1 does not tell it.
 */
export const PROTOCOL = 2;

/** What a function tells its starter when it serves, or the reason why it cannot; one line of JSON. */
export type StartReport = ReadyReport | { readonly type: "failed"; readonly error: unknown };

export interface ReadyReport {
  readonly type: "ready";
  /** {@link PROTOCOL} */
  readonly protocol?: number;
  readonly endpoint: string;
  readonly coldStart: StartTimes;
  readonly weightBytes: number;
}

/** Parts of a cold start that the function itself sees, in milliseconds. */
export interface StartTimes {
  /** Process creation until its first line of JavaScript. */
  readonly processMs: number;
  /** Native libraries loaded and checked. */
  readonly librariesMs: number;
  /** Told what to run until ready: header parsed, weights read and repacked. */
  readonly weightsMs: number;
}

/** Parts of a pod's cold start that its gateway sees, in milliseconds. */
export interface PodTimes {
  /** Asking for the pod until it has a node. */
  readonly scheduleMs: number;
  /** From then on until its process runs: image, network, container. */
  readonly containerMs: number;
}

/** Where the time of a cold start went. */
export interface ColdStart extends StartTimes {
  /** Only of pods. */
  readonly pod?: PodTimes;
  /** Creation to ready, as the platform saw it; more than the parts where a process waited for its program. */
  readonly totalMs: number;
}

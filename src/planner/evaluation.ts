import type { Plan } from "./plan.ts";

/** Where the modules of a placement's main function are. `fetch`: experts come to the device in time, at no cost (ideal). */
export type Devices = "cpu" | "mix" | "gpu" | "fetch";

/** A plan and the hardware under it. */
export interface Placement {
  readonly plan: Plan;
  readonly devices: Devices;
}

/** What a placement is expected to take and cost for one request. Times in milliseconds. */
export interface Evaluation {
  /** PT */
  readonly prefillMs: number;
  /** GT */
  readonly decodeMs: number;
  /** T^cold: 0 when warm. */
  readonly coldStartMs: number;
  /** PT + T^cold and what the gateway adds. */
  readonly ttftMs: number;
  /** GT / N^out; 0 without output. */
  readonly tpotMs: number;
  /** In the price book's currency: what `billRequest` would say, without what was kept warm before the request. */
  readonly cost: number;
  readonly costs: CostParts;
  /** Calls to expert functions, prefill and decode. */
  readonly remoteCalls: number;
  /** M^g */
  readonly gpuMemoryMb: number;
  /** Objectives that margin × prediction misses. */
  readonly violations: readonly Violation[];
}

/** They sum up to the cost. */
export interface CostParts {
  /** C^loc */
  readonly main: number;
  /** PC^rem */
  readonly remotePrefill: number;
  /** GC^rem */
  readonly remoteDecode: number;
  readonly coldStart: number;
  /** What functions cost while the request holds them and they have nothing to do. */
  readonly keepAlive: number;
}

export interface Violation {
  readonly objective: "ttft" | "tpot";
  readonly limitMs: number;
  /** With margin. */
  readonly expectedMs: number;
}

/** A planner's answer. With `feasible: false` it is the placement that misses the objectives least. */
export interface Decision {
  readonly placement: Placement;
  readonly evaluation: Evaluation;
  readonly feasible: boolean;
}

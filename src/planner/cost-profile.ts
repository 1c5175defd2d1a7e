import type { ByKind } from "./plan-kind.ts";

/**
 * What things take on some hardware. Measured and modelled numbers never meet in one profile.
 *
 * Times are in milliseconds, by the virtual processors of the function that works; bytes of a hidden state are as on the
 * wire.
 */
export interface CostProfile {
  readonly schemaVersion: 2;
  /** `modelled`: worked out from published figures of hardware that was not there. */
  readonly kind: "measured" | "modelled";
  /** For people, e.g. `AMD EPYC, 2 processors`. */
  readonly machine: string;
  /** `2026-01-31` */
  readonly date: string;
  /** Name of the model it holds for, as in the model file. */
  readonly model: string;
  /** Main function that holds every expert, all of it on the processor. */
  readonly cpu: MainTimes;
  /** Non-expert modules on a device, every expert on the processor; `null` without a device. */
  readonly mix: MainTimes | null;
  /** Everything on the device; `null` without one. */
  readonly gpu: MainTimes | null;
  /** Main function with some experts elsewhere; its non-expert modules are on the device if there is one. */
  readonly split: MainTimes;
  /** Experts in a function of their own. */
  readonly remote: ExpertTimes;
  readonly wire: WireTimes;
  readonly contention: Contention;
  /** Between device and processor: τ^sw(n) = fixed + n · perHiddenState; both 0 without a device. */
  readonly swap: { readonly fixedMs: number; readonly perHiddenStateMs: number };
  readonly overhead: Overhead;
  readonly coldStart: {
    readonly main: StartTime;
    /** What a device adds to the start of a main function that uses it; 0 without one. */
    readonly deviceMs: number;
    readonly experts: StartTime;
    /** Starts that do not slow each other down; `null`: any number. */
    readonly parallel: number | null;
  };
  /** How far a time may be above its prediction: the 95 % quantile over measured requests, plans of each kind apart. */
  readonly spread: ByKind<Margin>;
}

/** By how much measured times are above predicted ones, as factors; at least 1. */
export interface Margin {
  readonly ttft: number;
  readonly tpot: number;
}

/**
 * Samples of a time by virtual processors, ascending, never rising. Between samples it is linear in 1/vCPUs, beyond the
 * last constant, before the first inversely proportional (see `timeAt`).
 */
export interface SpeedCurve {
  readonly vcpus: readonly number[];
  readonly ms: readonly number[];
}

export interface MainTimes {
  /** Decode of one token without routed experts: Σ_l τ^f_l(1), embedding and head. */
  readonly decodeToken: SpeedCurve;
  /** Prefill without routed experts: Σ_l τ^f_l(n) = prompt + n · token. */
  readonly prefillPrompt: SpeedCurve;
  readonly prefillToken: SpeedCurve;
  /** Its own experts. */
  readonly experts: ExpertTimes;
}

/** Routed experts of one layer. */
export interface ExpertTimes {
  /** Decode, j > 0 rows of one token: layer + j · row. */
  readonly decodeLayer: SpeedCurve;
  readonly decodeRow: SpeedCurve;
  /** Prefill, one expert with n > 0 rows, τ^c(n) = expert + n · row. */
  readonly prefillExpert: SpeedCurve;
  readonly prefillRow: SpeedCurve;
}

export interface WireTimes {
  /** t^rem: what the caller waits for an empty call beyond the time the function is busy. */
  readonly callMs: number;
  /** D/B: one hidden state one way. */
  readonly perHiddenStateMs: number;
  /** Tokens of one call in prefill. */
  readonly batchTokens: number;
  /** U^payload: hidden states of one call to a replica, both ways; `null`: no limit. */
  readonly payloadHiddenStates: number | null;
}

/**
 * How far local and remote experts of a layer get in each other's way, from 0 (none: the layer takes as long as the longer
 * of the two) to 1 (as long as both). Functions of one machine share its memory and processors.
 */
export interface Contention {
  readonly prefill: number;
  readonly decode: number;
}

export interface Overhead {
  /** Main function's billed time of a request beside prefill and decode. */
  readonly mainMs: number;
  /** Arrival until prefill begins, and first token until it is out, with warm functions. */
  readonly gatewayMs: number;
}

/** Process or container start and weights: fixed + weights · perMb. */
export interface StartTime {
  readonly fixedMs: number;
  readonly perMb: number;
}

import type { Spread } from "../core/stats.ts";
import type { Limits } from "../platform/platform.ts";

/** What was measured, before anything is made of it. Times in milliseconds. */
export interface Measurements {
  readonly shape: MeasuredShape;
  readonly expertCalls: readonly ExpertCallPoint[];
  readonly transfers: readonly TransferPoint[];
  readonly splitDecodes: readonly SplitDecodePoint[];
  readonly splitPrefills: readonly PrefillPoint[];
  readonly decodes: readonly DecodePoint[];
  readonly prefills: readonly PrefillPoint[];
  readonly starts: readonly StartPoint[];
  /** Billed by a main function beside prefill and decode. */
  readonly mainMs: Spread;
  /** Of a request to a warm main function until its first token, beside prefill. */
  readonly gatewayMs: Spread;
  /** Times of requests relative to the median of equal ones. */
  readonly deviations: { readonly ttft: readonly number[]; readonly tpot: readonly number[] };
  /** What held the functions to their specs. */
  readonly limits: Limits;
  /** Share of the processors that others used meanwhile. */
  readonly foreignLoad: number;
  /** Hidden states of one call to a replica, both ways; `null`: no limit. */
  readonly payloadHiddenStates: number | null;
}

/** L and k of the model. */
export interface MeasuredShape {
  readonly layers: number;
  readonly expertsPerToken: number;
}

/** Calls to an expert function one after the other: how long it was busy with one. */
export interface ExpertCallPoint {
  readonly kernel: "decode" | "prefill";
  readonly vcpus: number;
  /** Different experts in the call, and rows of all of them. */
  readonly experts: number;
  readonly rows: number;
  readonly ms: Spread;
}

/** Round trip of a call beyond the time the function was busy. */
export interface TransferPoint {
  /** Both ways. */
  readonly hiddenStates: number;
  readonly ms: Spread;
}

/** Decode of a main function that calls for every expert of some layers and holds those of the others. */
export interface SplitDecodePoint {
  readonly vcpus: number;
  readonly expertVcpus: number;
  readonly remoteLayers: number;
  readonly tokenMs: Spread;
  /** The expert function's time for one call. */
  readonly busyMs: Spread;
}

/** Decode of a main function that holds every expert. */
export interface DecodePoint {
  readonly vcpus: number;
  readonly tokenMs: Spread;
}

export interface PrefillPoint {
  readonly vcpus: number;
  readonly tokens: number;
  /** Mean number of a layer's experts with at least one row. */
  readonly usedExperts: number;
  readonly ms: Spread;
}

/** One cold start. */
export interface StartPoint {
  readonly role: "main" | "experts";
  readonly weightMb: number;
  readonly ms: number;
}

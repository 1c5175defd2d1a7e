import type { Spread } from "../core/stats.ts";
import type { PrefillLoad } from "../planner/layer-time.ts";
import type { Limits } from "../platform/platform.ts";

/** What was measured, before anything is made of it. Times in milliseconds. */
export interface Measurements {
  readonly shape: MeasuredShape;
  readonly expertCalls: readonly ExpertCallPoint[];
  readonly transfers: readonly TransferPoint[];
  readonly splitDecodes: readonly SplitDecodePoint[];
  readonly splitPrefills: readonly PrefillPoint[];
  readonly mixed: MixedPoints;
  readonly decodes: readonly DecodePoint[];
  readonly prefills: readonly PrefillPoint[];
  readonly starts: readonly StartPoint[];
  /** Billed by a main function beside prefill and decode. */
  readonly mainMs: Spread;
  /** Of a request to a warm main function until its first token, beside prefill. */
  readonly gatewayMs: Spread;
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

/** Times of equal requests. */
export interface TimePoint {
  readonly ms: Spread;
  /** Of each, relative to the median; of a prefill, until its first token is out. */
  readonly deviations: readonly number[];
}

/** Decode of a main function that calls for every expert of some layers and holds those of the others. */
export interface SplitDecodePoint {
  readonly vcpus: number;
  readonly expertVcpus: number;
  readonly remoteLayers: number;
  readonly token: TimePoint;
  /** The expert function's time for one call. */
  readonly busyMs: Spread;
}

/** Decode of a main function that holds every expert. */
export interface DecodePoint {
  readonly vcpus: number;
  readonly token: TimePoint;
}

export interface PrefillPoint {
  readonly vcpus: number;
  readonly tokens: number;
  /** Mean number of a layer's experts with at least one row. */
  readonly usedExperts: number;
  readonly time: TimePoint;
}

/** A main function and an expert function of one processor, each with half of every layer's experts: they work side by side. */
export interface MixedPoints {
  /** Share of a token's rows that are remote in decode. [layers] */
  readonly remoteShares: readonly number[];
  /** Of one token. */
  readonly decode: TimePoint;
  readonly prefills: readonly MixedPrefillPoint[];
}

/** Loads are means over layers. */
export interface MixedPrefillPoint {
  readonly tokens: number;
  readonly local: PrefillLoad;
  readonly remote: PrefillLoad;
  readonly time: TimePoint;
}

/** One cold start. */
export interface StartPoint {
  readonly role: "main" | "experts";
  readonly weightMb: number;
  readonly ms: number;
}

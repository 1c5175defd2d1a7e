import type { Rounding } from "../ledger/meter.ts";
import type { Contention, ExpertTimes, WireTimes } from "./cost-profile.ts";
import { expectedBilledMs } from "./rates.ts";
import { timeAt } from "./speed-curve.ts";

/** {@link ExpertTimes} of a function with so many processors, in milliseconds. */
export interface ExpertSpeed {
  readonly decodeLayer: number;
  readonly decodeRow: number;
  readonly prefillExpert: number;
  readonly prefillRow: number;
}

export function expertSpeed(times: ExpertTimes, vcpus: number): ExpertSpeed {
  return {
    decodeLayer: timeAt(times.decodeLayer, vcpus),
    decodeRow: timeAt(times.decodeRow, vcpus),
    prefillExpert: timeAt(times.prefillExpert, vcpus),
    prefillRow: timeAt(times.prefillRow, vcpus),
  };
}

/** What the routed experts of one layer are computed by. */
export interface LayerHardware {
  /** In the main function. */
  readonly local: ExpertSpeed;
  /** In each replica of the layer's expert function; any where nothing is remote. */
  readonly remote: ExpertSpeed;
  readonly wire: WireTimes;
  readonly contention: Contention;
  readonly rounding: Rounding;
}

/** What experts of one layer take: of the request's time, and of the expert function's bill. */
export interface LayerTime {
  /** PT^e or GT^e without τ^sw: the layer goes on after this long. */
  readonly ms: number;
  /** Calls to all replicas. */
  readonly calls: number;
  /** Billed by all replicas. */
  readonly billedMs: number;
}

/**
 * Decode of one token, GT^e = Σ_j P(j) max(local(k − j), remote(j)), and what they delay each other: local and remote
 * experts compute in parallel, one call carries all rows of a replica, and a token's hidden state is sent once. Replicas
 * hold disjoint experts; j rows meet z (1 − (1 − 1/z)^j) of them.
 * @param shares P(j rows are remote), j = 0 … k
 */
export function decodeLayerTime(shares: Float64Array, replicas: number, hardware: LayerHardware): LayerTime {
  const k = shares.length - 1;
  let [ms, calls, billedMs] = [0, 0, 0];
  for (let j = 0; j <= k; j++) {
    const share = shares[j] as number;
    if (share === 0) continue;
    const remote = j === 0 ? NOTHING_REMOTE : remoteDecodeTime(j, replicas, hardware);
    ms += share * sideBySideMs(localDecodeMs(k - j, hardware.local), remote.ms, hardware.contention.decode);
    calls += share * remote.calls;
    billedMs += share * remote.billedMs;
  }
  return { ms, calls, billedMs };
}

/** max(local, remote) + κ min(local, remote), κ being how far they get in each other's way (ours). */
export function sideBySideMs(localMs: number, remoteMs: number, contention: number): number {
  return Math.max(localMs, remoteMs) + contention * Math.min(localMs, remoteMs);
}

const NOTHING_REMOTE: LayerTime = { ms: 0, calls: 0, billedMs: 0 };

/** One token's rows of a layer in the main function. */
export function localDecodeMs(rows: number, { decodeLayer, decodeRow }: ExpertSpeed): number {
  return rows === 0 ? 0 : decodeLayer + rows * decodeRow;
}

/** One token's rows of a layer, at least one, in its expert function. */
export function remoteDecodeTime(
  rows: number,
  replicas: number,
  { remote, wire, rounding }: Pick<LayerHardware, "remote" | "wire" | "rounding">,
): LayerTime {
  const calls = replicas === 1 ? 1 : replicas * (1 - (1 - 1 / replicas) ** rows);
  const each = rows / calls;
  const busyMs = remote.decodeLayer + each * remote.decodeRow;
  return {
    ms: wire.callMs + (1 + each) * wire.perHiddenStateMs + busyMs,
    calls,
    billedMs: calls * expectedBilledMs(busyMs, rounding),
  };
}

/** Prefill's rows of a set of experts. */
export interface PrefillLoad {
  /** Σ N^pre_k */
  readonly rows: number;
  /** Experts with at least one row, in expectation. */
  readonly used: number;
}

export const NO_LOAD: PrefillLoad = { rows: 0, used: 0 };

/** Rows fall on an expert one by one, independently: with n expected it has none with probability e^(−n). */
export function loadOf(shareOfRows: number, rows: number): PrefillLoad {
  const own = shareOfRows * rows;
  return { rows: own, used: -Math.expm1(-own) };
}

/** Of some experts of a layer together. */
export function loadOfAll(experts: readonly number[], sharesOfRows: Float32Array, prefillRows: number): PrefillLoad {
  let [rows, used] = [0, 0];
  for (const expert of experts) {
    const load = loadOf(sharesOfRows[expert] as number, prefillRows);
    rows += load.rows;
    used += load.used;
  }
  return { rows, used };
}

/** Σ_k τ^c(N^pre_k) = used · expert + rows · row */
export function prefillBusyMs({ used, rows }: PrefillLoad, { prefillExpert, prefillRow }: ExpertSpeed): number {
  return used * prefillExpert + rows * prefillRow;
}

export interface PrefillLayer {
  /** N^in */
  readonly promptTokens: number;
  readonly local: PrefillLoad;
  /** Of each replica. */
  readonly remote: readonly PrefillLoad[];
}

/** What prefill asks of one replica. */
export interface ReplicaCalls extends PrefillLoad {
  readonly calls: number;
  /** Under way, of all calls together. */
  readonly wireMs: number;
}

/**
 * A token's hidden state is sent once to each replica that has a row of it. Prompts longer than a batch, or than a
 * payload, take several calls; nothing takes none.
 */
export function toCalls(load: PrefillLoad, promptTokens: number, wire: WireTimes): ReplicaCalls {
  const { rows, used } = load;
  if (rows === 0) return { rows, used, calls: 0, wireMs: 0 };
  const hiddenStates = Math.min(promptTokens, rows) + rows;
  const calls = callsOf(promptTokens, hiddenStates, wire);
  return { rows, used, calls, wireMs: calls * wire.callMs + hiddenStates * wire.perHiddenStateMs };
}

/** max_j ZT_j; ZT_j = busy + (inputs + rows) D/B + t^rem a call. */
export function remotePrefillTime(
  replicas: readonly ReplicaCalls[],
  { remote, rounding }: Pick<LayerHardware, "remote" | "rounding">,
): LayerTime {
  let [ms, calls, billedMs] = [0, 0, 0];
  for (const replica of replicas) {
    if (replica.calls === 0) continue;
    const busyMs = prefillBusyMs(replica, remote);
    ms = Math.max(ms, replica.wireMs + busyMs);
    calls += replica.calls;
    billedMs += replica.calls * expectedBilledMs(busyMs / replica.calls, rounding);
  }
  return { ms, calls, billedMs };
}

/** Prefill, PT^e = max(Σ local τ^c, max_j ZT_j), and what they delay each other. */
export function prefillLayerTime({ promptTokens, local, remote }: PrefillLayer, hardware: LayerHardware): LayerTime {
  const replicas = remote.map((load) => toCalls(load, promptTokens, hardware.wire));
  const { ms: remoteMs, calls, billedMs } = remotePrefillTime(replicas, hardware);
  const ms = sideBySideMs(prefillBusyMs(local, hardware.local), remoteMs, hardware.contention.prefill);
  return { ms, calls, billedMs };
}

function callsOf(promptTokens: number, hiddenStates: number, { batchTokens, payloadHiddenStates }: WireTimes): number {
  const batches = Math.ceil(promptTokens / batchTokens);
  const payloads = payloadHiddenStates === null ? 1 : Math.ceil(hiddenStates / payloadHiddenStates);
  return Math.max(batches, payloads);
}

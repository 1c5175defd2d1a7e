import { spread } from "../../core/stats.ts";
import { prefillBusyMs } from "../../planner/layer-time.ts";
import type { Measurements } from "../measurements.ts";

/** The times that synthetic measurements are made of: on one processor, inversely proportional below. */
export interface KnownTimes {
  readonly token: number;
  readonly prompt: number;
  readonly promptToken: number;
  readonly decodeLayer: number;
  readonly decodeRow: number;
  readonly prefillExpert: number;
  readonly prefillRow: number;
  readonly call: number;
  readonly hiddenState: number;
  readonly start: number;
  readonly startPerMb: number;
  /** Of local and remote experts. */
  readonly contention: number;
}

const DEVIATIONS = [0.9, 1, 1.2];
const SHAPE = { layers: 8, expertsPerToken: 4 };
const [L, K] = [SHAPE.layers, SHAPE.expertsPerToken];
/** P(j of 4 rows are remote) where each is by the toss of a coin. */
const HALF_REMOTE = [1, 4, 6, 4, 1].map((ways) => ways / 16);
const SIZES = [0.5, 1];
const LENGTHS = [16, 64, 256];
/** Long prompts meet more experts. */
const usedExperts = (tokens: number): number => 16 * (1 - Math.exp(-tokens / 24));

/**
 * What would be measured on a machine of known times.
 * @param noise factor of each time
 */
export function syntheticMeasurements(known: KnownTimes, noise: () => number = () => 1): Measurements {
  const measured = (ms: number) => spread([ms * noise()]);
  const slow = (vcpus: number): number => 1 / Math.min(1, vcpus);
  const call = (rows: number): number => known.decodeLayer + rows * known.decodeRow;
  const wayMs = known.call + (1 + K) * known.hiddenState;
  const experts = (tokens: number): number => prefillBusyMs({ used: usedExperts(tokens), rows: tokens * K }, known);
  const rest = (tokens: number): number => known.prompt + tokens * known.promptToken;
  const prefill = (vcpus: number, tokens: number, ms: number) => {
    return { vcpus, tokens, usedExperts: usedExperts(tokens), time: { ms: measured(ms), deviations: DEVIATIONS } };
  };
  const token = (ms: number) => ({ ms: measured(ms), deviations: DEVIATIONS });
  const mixed = (localMs: number, remoteMs: number): number =>
    Math.max(localMs, remoteMs) + known.contention * Math.min(localMs, remoteMs);
  return {
    shape: SHAPE,
    expertCalls: SIZES.flatMap((vcpus) => [
      ...[1, 2, 3, K].map((rows) => {
        return { kernel: "decode", vcpus, experts: rows, rows, ms: measured(slow(vcpus) * call(rows)) } as const;
      }),
      ...[1, 16].flatMap((experts) =>
        [1, 4, 16, 64].map((each) => {
          const rows = experts * each;
          const ms = experts * known.prefillExpert + rows * known.prefillRow;
          return { kernel: "prefill", vcpus, experts, rows, ms: measured(slow(vcpus) * ms) } as const;
        }),
      ),
    ]),
    transfers: [3, 32, 256].map((hiddenStates) => {
      return { hiddenStates, ms: measured(0.05 + hiddenStates * known.hiddenState) };
    }),
    splitDecodes: [
      ...SIZES.flatMap((vcpus) =>
        [L, L / 2].map((remoteLayers) => {
          const localMs = slow(vcpus) * ((L - remoteLayers) * call(K) + known.token);
          const tokenMs = localMs + remoteLayers * (wayMs + call(K));
          return { vcpus, expertVcpus: 1, remoteLayers, token: token(tokenMs), busyMs: measured(call(K)) };
        }),
      ),
      {
        vcpus: 1,
        expertVcpus: 0.5,
        remoteLayers: L,
        token: token(known.token + L * (wayMs + slow(0.5) * call(K))),
        busyMs: measured(slow(0.5) * call(K)),
      },
    ],
    splitPrefills: SIZES.flatMap((vcpus) =>
      LENGTHS.map((tokens) => {
        const remoteMs = L * (known.call + tokens * (1 + K) * known.hiddenState + experts(tokens));
        return prefill(vcpus, tokens, slow(vcpus) * rest(tokens) + remoteMs);
      }),
    ),
    mixed: {
      remoteShares: Array.from({ length: L }, () => 0.5),
      decode: token(
        known.token +
          L *
            HALF_REMOTE.reduce((sum, probability, j) => {
              const remoteMs = j === 0 ? 0 : known.call + (1 + j) * known.hiddenState + call(j);
              return sum + probability * mixed(j === K ? 0 : call(K - j), remoteMs);
            }, 0),
      ),
      prefills: LENGTHS.map((tokens) => {
        const half = { used: usedExperts(tokens) / 2, rows: (tokens * K) / 2 };
        const remoteMs = known.call + tokens * (1 + K / 2) * known.hiddenState + prefillBusyMs(half, known);
        const ms = rest(tokens) + L * mixed(prefillBusyMs(half, known), remoteMs);
        return { tokens, local: half, remote: half, time: { ms: measured(ms), deviations: DEVIATIONS } };
      }),
    },
    decodes: SIZES.map((vcpus) => {
      return { vcpus, token: token(slow(vcpus) * (known.token + L * call(K))) };
    }),
    prefills: SIZES.flatMap((vcpus) =>
      LENGTHS.map((tokens) => prefill(vcpus, tokens, slow(vcpus) * (rest(tokens) + L * experts(tokens)))),
    ),
    starts: [4, 20, 100].flatMap((weightMb) =>
      (["main", "experts"] as const).map((role) => {
        return { role, weightMb, ms: (known.start + weightMb * known.startPerMb) * noise() };
      }),
    ),
    mainMs: spread([0.2]),
    gatewayMs: spread([1.5]),
    limits: { memory: "cgroup v2", cpu: "cgroup v2" },
    foreignLoad: 0,
    payloadHiddenStates: null,
  };
}

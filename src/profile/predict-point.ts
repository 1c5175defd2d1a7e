import type { CostProfile, MainTimes } from "../planner/cost-profile.ts";
import { decodeLayerTime, expertSpeed, type PrefillLoad, prefillLayerTime } from "../planner/layer-time.ts";
import { timeAt } from "../planner/speed-curve.ts";

/** The functions that a time was measured with. */
export interface PointFunctions {
  readonly main: MainTimes;
  /** Processors of the main function, and of the expert function. */
  readonly vcpus: number;
  readonly expertVcpus: number;
}

type Times = Pick<CostProfile, "remote" | "wire" | "contention">;

/** As good as none. */
export const EXACT = { granularityMs: 0.001, minimumMs: 0 };

/**
 * What a profile says of one token's decode, in milliseconds.
 * @param shares P(j rows are remote), j = 0 … k, of each layer. [layers][k + 1]
 */
export function predictToken(times: Times, functions: PointFunctions, shares: readonly Float64Array[]): number {
  const hardware = hardwareOf(times, functions);
  const layersMs = shares.map((own) => decodeLayerTime(own, 1, hardware).ms);
  return layersMs.reduce((sum, ms) => sum + ms, timeAt(functions.main.decodeToken, functions.vcpus));
}

/** What every layer of a prompt is given. */
export interface PointLoad {
  readonly layers: number;
  readonly tokens: number;
  readonly local: PrefillLoad;
  readonly remote: PrefillLoad;
}

/** What a profile says of a prompt's prefill, in milliseconds. */
export function predictPrefill(times: Times, functions: PointFunctions, load: PointLoad): number {
  const { layers, tokens, local, remote } = load;
  const { main, vcpus } = functions;
  const layer = prefillLayerTime({ promptTokens: tokens, local, remote: [remote] }, hardwareOf(times, functions));
  return timeAt(main.prefillPrompt, vcpus) + tokens * timeAt(main.prefillToken, vcpus) + layers * layer.ms;
}

function hardwareOf({ remote, wire, contention }: Times, { main, vcpus, expertVcpus }: PointFunctions) {
  const [local, elsewhere] = [expertSpeed(main.experts, vcpus), expertSpeed(remote, expertVcpus)];
  return { local, remote: elsewhere, wire, contention, rounding: EXACT };
}

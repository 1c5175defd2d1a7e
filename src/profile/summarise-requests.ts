import { median, spread } from "../core/stats.ts";
import type { Activations } from "../engine/generation.ts";
import type { DoneEvent } from "../functions/protocol.ts";
import type { PrefillLoad } from "../planner/layer-time.ts";
import type { MainRuns, Requests } from "./measure-main.ts";
import type { DecodePoint, MixedPoints, PrefillPoint, SplitDecodePoint, TimePoint } from "./measurements.ts";

export function toDecodePoint({ decodes }: MainRuns): DecodePoint {
  return { vcpus: decodes.vcpus, token: toTimePoint(tokenTimes(decodes)) };
}

/** Decode alone: calls of the prefill are known from requests of the same prompt that ended there. */
export function toSplitDecodePoint(
  { decodes, prefills }: MainRuns,
  { expertVcpus, remoteLayers }: Pick<SplitDecodePoint, "expertVcpus" | "remoteLayers">,
): SplitDecodePoint {
  const same = prefills.find(({ promptTokens }) => promptTokens === decodes.promptTokens)?.outcomes ?? [];
  const prefillBusyMs = median(same.map(({ done }) => busyMs(done)));
  const busy = decodes.outcomes.map(
    ({ done }) => Math.max(0, busyMs(done) - prefillBusyMs) / (remoteLayers * decodedTokens(done)),
  );
  return { ...toDecodePoint({ decodes, prefills }), expertVcpus, remoteLayers, busyMs: spread(busy) };
}

export function toPrefillPoint(requests: Requests): PrefillPoint {
  const { vcpus, promptTokens, outcomes } = requests;
  return {
    vcpus,
    tokens: promptTokens,
    usedExperts: median(outcomes.map(({ done }) => loadOf(done.activations.prefill, () => true).used)),
    time: prefillTime(requests),
  };
}

/** @param isRemote which of each layer's experts the main function did not have */
export function toMixedPoints({ decodes, prefills }: MainRuns, isRemote: (expert: number) => boolean): MixedPoints {
  const [first] = decodes.outcomes;
  const counts = first?.done.activations.decode ?? [];
  return {
    remoteShares: counts.map((layer) => sum(layer.filter((_, expert) => isRemote(expert))) / sum(layer)),
    decode: toTimePoint(tokenTimes(decodes)),
    prefills: prefills.map((requests) => {
      const prefill = requests.outcomes[0]?.done.activations.prefill ?? [];
      return {
        tokens: requests.promptTokens,
        local: loadOf(prefill, (expert) => !isRemote(expert)),
        remote: loadOf(prefill, isRemote),
        time: prefillTime(requests),
      };
    }),
  };
}

/** A token's time in decode, of every request. */
function tokenTimes({ outcomes }: Requests): number[] {
  return outcomes.map(({ done }) => done.timings.decodeMs / decodedTokens(done));
}

function prefillTime({ outcomes }: Requests): TimePoint {
  const ms = spread(outcomes.map(({ done }) => done.timings.prefillMs));
  return { ms, deviations: deviations(outcomes.map(({ firstTokenMs }) => firstTokenMs)) };
}

function toTimePoint(times: readonly number[]): TimePoint {
  return { ms: spread(times), deviations: deviations(times) };
}

function deviations(times: readonly number[]): number[] {
  const middle = median(times);
  return times.map((time) => time / middle);
}

/** Passes after the prefill, which made the first token. */
function decodedTokens({ completionTokens }: DoneEvent): number {
  return completionTokens - 1;
}

function busyMs({ remote }: DoneEvent): number {
  return remote.reduce((total, usage) => total + usage.busyMs, 0);
}

/**
 * Rows of some of a layer's experts, and how many of these had any; means over layers. The last layer is left away if there
 * are others, since only the last token goes through its experts.
 */
function loadOf(activations: Activations["prefill"], isCounted: (expert: number) => boolean): PrefillLoad {
  const layers = activations.slice(0, Math.max(1, activations.length - 1));
  const counted = layers.map((counts) => counts.filter((count, expert) => count > 0 && isCounted(expert)));
  return {
    rows: sum(counted.map(sum)) / layers.length,
    used: sum(counted.map(({ length }) => length)) / layers.length,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

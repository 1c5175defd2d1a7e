import { median, spread } from "../core/stats.ts";
import type { DoneEvent } from "../functions/protocol.ts";
import type { MainRuns, Requests } from "./measure-main.ts";
import type { DecodePoint, PrefillPoint, SplitDecodePoint } from "./measurements.ts";

/** A token's time in decode, of every request. */
export function tokenTimes({ outcomes }: Requests): number[] {
  return outcomes.map(({ done }) => done.timings.decodeMs / decodedTokens(done));
}

export function toDecodePoint({ decodes }: MainRuns): DecodePoint {
  return { vcpus: decodes.vcpus, tokenMs: spread(tokenTimes(decodes)) };
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

export function toPrefillPoint({ vcpus, promptTokens, outcomes }: Requests): PrefillPoint {
  return {
    vcpus,
    tokens: promptTokens,
    usedExperts: median(outcomes.map(({ done }) => usedExperts(done))),
    ms: spread(outcomes.map(({ done }) => done.timings.prefillMs)),
  };
}

/** Times relative to the median of equal requests. */
export function deviations(times: readonly number[]): number[] {
  const middle = median(times);
  return times.map((time) => time / middle);
}

/** Passes after the prefill, which made the first token. */
function decodedTokens({ completionTokens }: DoneEvent): number {
  return completionTokens - 1;
}

function busyMs({ remote }: DoneEvent): number {
  return remote.reduce((sum, usage) => sum + usage.busyMs, 0);
}

/** Mean over layers; the last is left away if there are others, since only the last token goes through its experts. */
function usedExperts({ activations }: DoneEvent): number {
  const layers = activations.prefill.slice(0, Math.max(1, activations.prefill.length - 1));
  const used = layers.map((counts) => counts.filter((count) => count > 0).length);
  return used.reduce((sum, count) => sum + count, 0) / layers.length;
}

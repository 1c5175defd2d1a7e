import type { DoneEvent } from "../functions/protocol.ts";
import type { HistoryRecord } from "../history/record.ts";

/** Prompt tokens, and generated ones, whose routing a record keeps token by token. */
export const TRACED_TOKENS = 256;

/** What is known of a request besides what its gates chose. */
export type TracedRequest = Pick<HistoryRecord, "id" | "time" | "domain" | "vector" | "tokens">;

/** A finished request as the history keeps it. */
export function toHistoryRecord(
  request: TracedRequest,
  { activations, samples }: Pick<DoneEvent, "activations" | "samples">,
): HistoryRecord {
  return {
    ...request,
    prefill: Uint32Array.from(activations.prefill.flat()),
    decode: Uint32Array.from(activations.decode.flat()),
    prefillSample: samples.prefill,
    decodeSample: samples.decode,
  };
}

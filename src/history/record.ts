import type { Example, RoutingSample } from "../predictor/example.ts";

/** A request that ran, as the history keeps it. */
export interface HistoryRecord extends Example {
  /** Names the request; need not be unique. */
  readonly id: string;
  /** When it ended, in whole milliseconds since 1970. */
  readonly time: number;
  /** What the prompt is about, if somebody said so. */
  readonly domain: string | null;
}

const NO_SAMPLE: RoutingSample = { tokens: new Uint32Array(0), experts: new Uint16Array(0) };

/** Leaves out what spells the prompt and the answer: token ids and routing token by token. */
export function withoutTokens(record: HistoryRecord): HistoryRecord {
  return { ...record, tokens: [], prefillSample: NO_SAMPLE, decodeSample: NO_SAMPLE };
}

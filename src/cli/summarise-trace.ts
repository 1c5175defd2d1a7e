import type { RequestTrace } from "../gateway/trace.ts";
import { formatMs } from "./format.ts";

/** One line about a finished request: `32 tokens in 610 ms: first after 35 ms, then 55.2 tokens/s (length)`. */
export function summariseTrace({ completionTokens, finishReason, timings }: RequestTrace): string {
  const { totalMs, ttftMs, tpotMs } = timings;
  const first = ttftMs === null ? "" : `: first after ${formatMs(ttftMs)}`;
  const rate = tpotMs === null ? "" : `, then ${(1000 / tpotMs).toFixed(1)} tokens/s`;
  return `${completionTokens} tokens in ${formatMs(totalMs)}${first}${rate} (${finishReason})`;
}

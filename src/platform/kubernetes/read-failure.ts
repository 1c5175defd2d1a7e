import type { StartReport } from "../../functions/spec.ts";

/** Finds the start report of a function that could not start in what others say that it left as its last message. */
export function readFailure(message: string): StartReport | null {
  const [report] = /\{"type":"failed",.*\}/.exec(message) ?? [];
  try {
    return report === undefined ? null : (JSON.parse(report) as StartReport);
  } catch {
    return null; // It was cut.
  }
}

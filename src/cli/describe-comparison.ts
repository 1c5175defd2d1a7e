import type { Comparison } from "../../bench/engine-turns.ts";
import type { Spread } from "../core/stats.ts";

/** Of a table of {@link comparisonRow}. */
export const comparisonHeader: readonly string[] = ["", "Remoe tok/s", "libllama tok/s", "ratio", "quartiles"];

export function comparisonRow(name: string, { remoe, llama, ratio }: Comparison): string[] {
  const quartiles = ({ p25, p75 }: Spread): string => `${p25.toFixed(2)}–${p75.toFixed(2)}`;
  return [
    name,
    formatSpeed(remoe.tokensPerSecond.median),
    formatSpeed(llama.tokensPerSecond.median),
    ratio.median.toFixed(3),
    quartiles(ratio),
  ];
}

/** Three digits. */
export function formatSpeed(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

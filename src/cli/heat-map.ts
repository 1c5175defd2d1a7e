import type { DoneEvent } from "../functions/protocol.ts";

const SHADES = [" ", "░", "▒", "▓", "█"] as const;

/**
 * How often each expert was used: a line a layer, a character an expert, darker for more. The darkest stands for the
 * most used expert of all layers; only unused experts stay blank.
 */
export function heatMap({ prefill, decode }: DoneEvent["activations"]): string {
  const counts = prefill.map((layer, index) => layer.map((count, expert) => count + (decode[index]?.[expert] ?? 0)));
  const most = Math.max(1, ...counts.flat());
  const shade = (count: number) => SHADES[Math.ceil((count / most) * (SHADES.length - 1))];
  const width = String(counts.length - 1).length;
  return counts
    .map((layer, index) => `layer ${String(index).padStart(width)} |${layer.map(shade).join("")}|\n`)
    .join("");
}

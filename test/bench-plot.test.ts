import { describe, expect, it } from "vitest";
import { type Bar, type Chart, renderChart } from "../bench/plot.ts";

const bar = (label: string, mean: number, series = 0): Bar => ({
  label,
  series,
  mean,
  low: 0.9 * mean,
  high: 1.2 * mean,
});

const CHART: Chart = {
  title: "Errors & <ranks>",
  description: "Shorter is better.",
  series: ["theirs", "ours"],
  panels: [
    { title: "All", groups: [[bar("EF", 0.28)], [bar("SPS", 0.0413)], [bar("ours", 0.0206, 1)]] },
    { title: "By domain", groups: [[bar("c, theirs", 0.04), bar("c, ours", 0.02, 1)], [bar("none", 0)]] },
  ],
};

const svg = renderChart(CHART);
const bars = CHART.panels.flatMap(({ groups }) => groups.flat());

/** What the pattern's group captures, in the order of the document. */
const all = (pattern: RegExp): string[] => [...svg.matchAll(pattern)].map(([, found = ""]) => found);
const LEFT = 206;
const widths = all(/<g>.*?<rect [^>]*width="([\d.]+)"/g).map(Number);

describe("renderChart", () => {
  it("writes every number beside its bar", () => {
    expect(all(/class="value"[^>]*>([^<]+)</g)).toEqual(bars.map(({ mean }) => mean.toFixed(4)));
    expect(all(/class="label"[^>]*>([^<]+)</g)).toEqual(bars.map(({ label }) => label));
    expect(all(/<g><title>([^<]+)</g)[1]).toBe("SPS: 0.0413, 0.0372 to 0.0496");
  });

  it("draws bars as long as their numbers, on the scale of their panel", () => {
    for (const { panel, first } of [
      { panel: 0, first: 0 },
      { panel: 1, first: 3 },
    ]) {
      const numbers = CHART.panels[panel]?.groups.flat() ?? [];
      const pixels = (widths[first] ?? 0) / (numbers[0]?.mean ?? 1);
      for (const [i, { mean }] of numbers.entries()) expect(widths[first + i]).toBeCloseTo(mean * pixels, 0);
    }
  });

  it("draws intervals from low to high around the end of their bar", () => {
    const ends = [...svg.matchAll(/class="interval" d="M([\d.]+) [\d.]+H([\d.]+)/g)].map(([, low, high]) => [
      (Number(low) - LEFT) / 0.9,
      (Number(high) - LEFT) / 1.2,
    ]);
    expect(ends).toHaveLength(bars.length);
    for (const [i, [low, high]] of ends.entries()) {
      expect(low).toBeCloseTo(widths[i] ?? 0, 0);
      expect(high).toBeCloseTo(widths[i] ?? 0, 0);
    }
  });

  it("is named and described for those who do not see it, whatever the texts hold", () => {
    expect(svg).toMatch(/^<svg [^>]*role="img" aria-labelledby="title description"/);
    expect(svg).toContain('<title id="title">Errors &amp; &lt;ranks></title>');
    expect(svg).toContain('<desc id="description">Shorter is better.</desc>');
  });

  it("has colours for dark surroundings too", () => {
    expect(svg).toContain("@media (prefers-color-scheme: dark)");
  });
});

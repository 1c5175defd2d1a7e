/** A bar with its interval. */
export interface Bar {
  readonly label: string;
  /** Which of the chart's series it belongs to, from 0; gives its colour. */
  readonly series: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Bars on a scale of their own, which starts at 0. Bars of a group stand close together. */
export interface Panel {
  readonly title: string;
  readonly groups: readonly (readonly Bar[])[];
}

export interface Chart {
  readonly title: string;
  /** For those who do not see it. */
  readonly description: string;
  /** What the colours mean. */
  readonly series: readonly string[];
  readonly panels: readonly Panel[];
  /** Writes a value; four decimals by default. */
  readonly format?: (value: number) => string;
}

const WIDTH = 720;
const MARGIN = 16;
/** Left of the bars, for their labels. */
const LABELS = 190;
/** Right of the longest interval, for the values. */
const VALUES = 60;
const LINE = 22;
const BAR = 14;
const GROUP_GAP = 6;
const PANEL_GAP = 24;
const SPAN = WIDTH - 2 * MARGIN - LABELS - VALUES;

/** Colours that differ in lightness too, on white and on black. */
const STYLE = `
svg { background: #fff; color: #1b1f24; font: 13px system-ui, sans-serif; }
text { fill: currentColor; dominant-baseline: central; }
.heading { font-weight: 600; }
.label { text-anchor: end; }
.series-0 { fill: #8fa6bf; }
.series-1 { fill: #0b62b5; }
.interval, .axis { stroke: currentColor; fill: none; }
.axis { opacity: .4; }
@media (prefers-color-scheme: dark) {
  svg { background: #14171b; color: #e4e8ec; }
  .series-0 { fill: #5c6b7c; }
  .series-1 { fill: #6cb6ff; }
}`;

/** A horizontal bar chart with error bars: an SVG document that needs nothing else. */
export function renderChart({ title, description, series, panels, format = digits }: Chart): string {
  const body: string[] = [heading(title, MARGIN + LINE / 2), legend(series, MARGIN + 1.5 * LINE)];
  let y = MARGIN + 2 * LINE + PANEL_GAP / 2;
  for (const panel of panels) {
    const { text, height } = renderPanel(panel, y, format);
    body.push(text);
    y += height + PANEL_GAP;
  }
  const height = y - PANEL_GAP + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="description">${escapeXml(description)}</desc>`,
    `<style>${STYLE}\n</style>`,
    ...body,
    "</svg>\n",
  ].join("\n");
}

type Format = NonNullable<Chart["format"]>;

interface RenderedPanel {
  readonly text: string;
  readonly height: number;
}

function renderPanel({ title, groups }: Panel, top: number, format: Format): RenderedPanel {
  const pixels = SPAN / Math.max(...groups.flat().map(({ high }) => high), Number.MIN_VALUE);
  const lines = [heading(title, top + LINE / 2)];
  const first = top + LINE + GROUP_GAP;
  let y = first;
  for (const group of groups) {
    for (const bar of group) {
      lines.push(renderBar(bar, y, { pixels, format }));
      y += LINE;
    }
    y += GROUP_GAP;
  }
  const left = MARGIN + LABELS;
  lines.push(`<path class="axis" d="M${left} ${first}V${y - GROUP_GAP}"/>`);
  return { text: lines.join("\n"), height: y - GROUP_GAP - top };
}

interface BarStyle {
  /** Of a unit. */
  readonly pixels: number;
  readonly format: Format;
}

function renderBar({ label, series, mean, low, high }: Bar, top: number, { pixels, format }: BarStyle): string {
  const left = MARGIN + LABELS;
  const middle = top + LINE / 2;
  const at = (value: number): string => (left + value * pixels).toFixed(1);
  const interval = `${format(low)} to ${format(high)}`;
  return [
    `<g><title>${escapeXml(label)}: ${format(mean)}, ${interval}</title>`,
    `<text class="label" x="${left - 8}" y="${middle}">${escapeXml(label)}</text>`,
    `<rect class="series-${series}" x="${left}" y="${middle - BAR / 2}" width="${(mean * pixels).toFixed(1)}" height="${BAR}"/>`,
    `<path class="interval" d="M${at(low)} ${middle}H${at(high)}M${at(low)} ${middle - 4}v8M${at(high)} ${middle - 4}v8"/>`,
    `<text class="value" x="${(left + high * pixels + 8).toFixed(1)}" y="${middle}">${format(mean)}</text></g>`,
  ].join("");
}

function heading(text: string, middle: number): string {
  return `<text class="heading" x="${MARGIN}" y="${middle}">${escapeXml(text)}</text>`;
}

function legend(series: readonly string[], middle: number): string {
  const width = (WIDTH - 2 * MARGIN) / series.length;
  return series
    .map((name, i) => {
      const left = MARGIN + i * width;
      return `<rect class="series-${i}" x="${left}" y="${middle - BAR / 2}" width="${BAR}" height="${BAR}"/><text x="${left + BAR + 6}" y="${middle}">${escapeXml(name)}</text>`;
    })
    .join("");
}

function digits(value: number): string {
  return value.toFixed(4);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

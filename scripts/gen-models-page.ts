import type { CheckedShape, ModelsBenchmark, TimedShape } from "../bench/models.ts";
import type { Spread } from "../src/core/stats.ts";

/** docs/models.md with its tables made anew from what `remoe bench models` found. */
export function modelsPage(page: string, results: ModelsBenchmark): string {
  return [
    { name: "compatibility", content: compatibility(results) },
    { name: "speed", content: speed(results) },
  ].reduce(replaceSection, page);
}

/** A section is what lies between the comments `<!-- name -->` and `<!-- /name -->`. */
function replaceSection(page: string, { name, content }: { readonly name: string; readonly content: string }): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = [page.indexOf(open), page.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`docs/models.md has no section between ${open} and ${close}`);
  return `${page.slice(0, start + open.length)}\n${content}\n${page.slice(end)}`;
}

function compatibility({ checked, date, machine, versions }: ModelsBenchmark): string {
  const architectures = [...new Set(checked.map(({ architecture }) => architecture))].sort();
  const quants = Object.keys(checked[0]?.problems ?? {});
  const rows = quants.map((quant) => [quant, ...architectures.map((name) => cell(checked, name, quant))]);
  const head = ["", ...architectures.map((name) => `\`${name}\``)];
  return [
    table([head, ...rows]),
    "",
    `Remoe ${versions.remoe} with llama.cpp's libraries of node-llama-cpp ${versions.libraries}, ${machine.processor}, ${date}.`,
  ].join("\n");
}

/** Of all shapes of an architecture: loads, oracle, split. */
function cell(checked: readonly CheckedShape[], architecture: string, quant: string): string {
  const shapes = checked.filter((shape) => shape.architecture === architecture);
  const failed = new Set(shapes.flatMap(({ problems }) => problems[quant] ?? []).map(({ check }) => check));
  if (failed.has("load")) return "✗ – –";
  const equal = shapes.every(({ oracle }) => oracle === "libllama") ? "=" : "≈";
  return `✓ ${failed.has("oracle") ? "✗" : equal} ${failed.has("split") ? "✗" : "="}`;
}

function speed({ timed, threads, machine, date }: ModelsBenchmark): string {
  if (timed.length === 0) return "Not measured.";
  const rows = timed.map((model) => [
    `\`${model.architecture}\``,
    `${model.model}, ${model.layers} layers`,
    model.quant,
    quartiles(model.decode.ratio),
    quartiles(model.prefill.ratio),
    load(model),
  ]);
  const head = ["architecture", "widths of", "quantisation", "decode", "prefill", "load"];
  return [
    table([head, ...rows]),
    "",
    `${threads} threads on ${machine.cores} cores of ${machine.processor}, ${date}. Load: average of the last minute, before and after.`,
  ].join("\n");
}

function quartiles({ median, p25, p75 }: Spread): string {
  return `${median.toFixed(2)} (${p25.toFixed(2)}–${p75.toFixed(2)})`;
}

function load({ load: [before, after] }: TimedShape): string {
  return `${before.toFixed(1)}, ${after.toFixed(1)}`;
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

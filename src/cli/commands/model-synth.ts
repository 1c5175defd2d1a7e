import type { Command } from "commander";
import { SYNTH_QUANTS, type SynthQuantName } from "../../model/synth/quants.ts";
import { SYNTH_SHAPES, type SynthShapeName } from "../../model/synth/shapes.ts";
import { synthesiseModel } from "../../model/synth/synthesise-model.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { formatBytes } from "../format.ts";
import { printJson } from "../print-json.ts";

interface ModelSynthFlags {
  readonly shape: SynthShapeName;
  readonly quant: SynthQuantName;
  readonly out: string;
  readonly layers?: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function defineModelSynth(command: Command): void {
  command
    .description(
      "Writes a model file of a real model's shape with random weights. It costs what the real model costs to run, " +
        "its text means nothing.",
    )
    .addOption(flag("--shape <name>", "whose shape", { choices: Object.keys(SYNTH_SHAPES), required: true }))
    .addOption(flag("--quant <type>", "how weights are stored", { choices: Object.keys(SYNTH_QUANTS), required: true }))
    .addOption(flag("-o, --out <file>", "file to write", { required: true }))
    .addOption(flag("--layers <n>", "number of layers", { parse: wholeNumber(1, 1024), initially: "the shape's own" }))
    .addOption(flag("--seed <n>", "same seed, same file", { parse: wholeNumber(0), initial: 0 }))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe model synth --shape tiny --quant Q8_0 --out tiny.gguf
  remoe model synth --shape deepseek-v2-lite --quant Q4_K_M --out deepseek.gguf
  remoe model synth --shape mixtral-8x7b --quant Q4_K_M --layers 4 --out mixtral-4-layers.gguf`,
    )
    .action(synth);
}

function synth({ shape, quant, out, layers, seed, json }: ModelSynthFlags): void {
  const bytes = synthesiseModel({ shape, quant, layers, seed, path: out });
  if (json) {
    printJson({ path: out, bytes, shape, quant, layers: layers ?? SYNTH_SHAPES[shape].layers, seed });
  } else {
    process.stderr.write(`wrote ${out}: ${formatBytes(bytes)}\n`);
  }
}

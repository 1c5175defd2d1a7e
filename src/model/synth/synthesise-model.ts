import { remoeError } from "../../core/errors.ts";
import { loadNative } from "../../ggml/library.ts";
import { TYPE_TRAITS } from "../../gguf/types.ts";
import { writeGguf } from "../../gguf/write.ts";
import { modelContent } from "./model-content.ts";
import { fits, SYNTH_QUANTS, type SynthQuantName } from "./quants.ts";
import type { SynthShape } from "./shape.ts";
import { SYNTH_SHAPES, type SynthShapeName } from "./shapes.ts";

export interface SynthOptions {
  readonly shape: SynthShapeName;
  readonly quant: SynthQuantName;
  /** Defaults to the shape's own. */
  readonly layers?: number | undefined;
  /** Any safe integer. Same seed, same file. */
  readonly seed: number;
  /** Of the file to write; one that is there is replaced. */
  readonly path: string;
}

/**
 * Writes a model file with the shape of a real model and random weights, for measurements and tests: its computations
 * cost what the real model's cost, its text means nothing. Holds less than 200 MB of memory whatever the size.
 * @returns the size of the file in bytes
 * @throws MODEL_SHAPE_UNFIT when the quant's blocks do not fit hidden states; what `writeGguf` and `loadNative` throw
 */
export function synthesiseModel(options: SynthOptions): number {
  const { shape: name, seed, path } = options;
  const named: SynthShape = SYNTH_SHAPES[name];
  const shape: SynthShape = { ...named, layers: options.layers ?? named.layers };
  requireFit(options, shape);
  return writeGguf(path, modelContent(loadNative(), shape, { quant: SYNTH_QUANTS[options.quant], seed, name }));
}

/** Other rows may fall back to a type with smaller blocks; if hidden states had to, little of the quant were left. */
function requireFit({ shape, quant }: SynthOptions, { hidden }: SynthShape): void {
  const { weights } = SYNTH_QUANTS[quant];
  if (fits(weights, hidden)) return;
  const { blockElements } = TYPE_TRAITS[weights];
  throw remoeError("MODEL_SHAPE_UNFIT", { shape, quant, columns: hidden, blockElements });
}

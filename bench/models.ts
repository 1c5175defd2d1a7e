import { join } from "node:path";
import { isRemoeError } from "../src/core/errors.ts";
import { VERSION } from "../src/core/version.ts";
import { Engine } from "../src/engine/engine.ts";
import {
  findOracleProblems,
  findPlacementProblems,
  type Oracle,
  oracleOf,
} from "../src/engine/testing/compatibility.ts";
import { writeTestModel } from "../src/engine/testing/write-test-model.ts";
import { NATIVE_VERSION } from "../src/ggml/installation.ts";
import { loadNative, type Native } from "../src/ggml/library.ts";
import type { GgufFile } from "../src/gguf/read.ts";
import { writeGguf } from "../src/gguf/write.ts";
import { modelContent } from "../src/model/synth/model-content.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "../src/model/synth/quants.ts";
import { TINY_SHAPES, type TinyShapeName, WIDE } from "../src/model/synth/tiny-shapes.ts";
import { openOwnFolder } from "../src/platform/own-folder.ts";
import { benchEngine, type EngineBenchmark } from "./engine.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { TIMED_MODELS, type TimedModel } from "./model-shapes.ts";

/**
 * Which model files Remoe runs: every architecture in every quantisation, checked as the tests do it on small files with
 * random weights; and its speed against libllama's on layers of published widths.
 */
export interface ModelsBenchOptions {
  readonly quants: readonly SynthQuantName[];
  readonly threads: number;
  /** Turns of each side where speed is compared; 0: speed is not measured. */
  readonly rounds: number;
  readonly onProgress: (line: string) => void;
}

/** What was found wrong, in `load`, against the `oracle`, or when experts are `split` off. */
export interface ModelProblem {
  readonly check: "load" | "oracle" | "split";
  readonly what: string;
}

export interface CheckedShape {
  readonly shape: string;
  readonly architecture: string;
  readonly oracle: Oracle;
  /** By quantisation: nothing where all is well. */
  readonly problems: Readonly<Record<string, readonly ModelProblem[]>>;
}

export interface TimedShape
  extends Pick<EngineBenchmark, "load" | "decode" | "prefill" | "logits" | "defaultNumerics"> {
  readonly architecture: string;
  readonly model: string;
  readonly layers: number;
  readonly quant: string;
}

export interface ModelsBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly date: string;
  /** Of Remoe, and of the package with llama.cpp's libraries. */
  readonly versions: { readonly remoe: string; readonly libraries: string };
  readonly threads: number;
  readonly checked: readonly CheckedShape[];
  readonly timed: readonly TimedShape[];
}

export async function benchModels(options: ModelsBenchOptions): Promise<ModelsBenchmark> {
  const native = loadNative();
  await using folder = await openOwnFolder({ prefix: "remoe-bench-" });
  const path = join(folder.path, "model.gguf");
  const checked: CheckedShape[] = [];
  for (const shape of Object.keys(TINY_SHAPES) as TinyShapeName[]) {
    checked.push(await checkShape(native, { path, shape }, options));
  }
  const timed: TimedShape[] = [];
  for (const model of options.rounds === 0 ? [] : TIMED_MODELS)
    timed.push(await timeModel(native, path, model, options));
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    versions: { remoe: VERSION, libraries: NATIVE_VERSION },
    threads: options.threads,
    checked,
    timed,
  };
}

async function checkShape(
  native: Native,
  { path, shape }: { readonly path: string; readonly shape: TinyShapeName },
  { quants, onProgress }: ModelsBenchOptions,
): Promise<CheckedShape> {
  const { architecture } = TINY_SHAPES[shape];
  const problems: Record<string, readonly ModelProblem[]> = {};
  for (const quant of quants) {
    const file = writeTestModel({ path, architecture: shape, quant, shape: WIDE });
    problems[quant] = await checkFile(native, file);
    onProgress(`${shape} in ${quant}: ${problems[quant].map(({ what }) => what).join("; ") || "ok"}`);
  }
  return { shape, architecture, oracle: oracleOf(architecture), problems };
}

async function checkFile(native: Native, file: GgufFile): Promise<readonly ModelProblem[]> {
  const load = async (): Promise<readonly string[]> => {
    using _engine = await Engine.load(native, file, { threads: 1 });
    return [];
  };
  const loading = await problemsOf("load", load);
  if (loading.length > 0) return loading;
  return [
    ...(await problemsOf("oracle", () => findOracleProblems(native, file))),
    ...(await problemsOf("split", () => findPlacementProblems(native, file, { threads: 1 }))),
  ];
}

/** A refusal counts as a problem. */
async function problemsOf(
  check: ModelProblem["check"],
  find: () => Promise<readonly string[]>,
): Promise<readonly ModelProblem[]> {
  try {
    return (await find()).map((what) => ({ check, what }));
  } catch (error) {
    if (isRemoeError(error)) return [{ check, what: error.message }];
    throw error;
  }
}

/** Of the prompt whose prefill is compared. */
const PROMPT_TOKENS = 256;

async function timeModel(
  native: Native,
  path: string,
  { name, shape, quant }: TimedModel,
  { threads, rounds, onProgress }: ModelsBenchOptions,
): Promise<TimedShape> {
  writeGguf(path, modelContent(native, shape, { quant: SYNTH_QUANTS[quant], seed: 0, name }));
  const result = await benchEngine({ model: path, threads, rounds, promptTokens: [PROMPT_TOKENS], neighbour: false });
  const { load, decode, prefill, logits, defaultNumerics } = result;
  onProgress(`${name}: decode ${decode.ratio.median.toFixed(3)}, prefill ${prefill.ratio.median.toFixed(3)}`);
  const { architecture, layers } = shape;
  return { architecture, model: name, layers, quant, load, decode, prefill, logits, defaultNumerics };
}

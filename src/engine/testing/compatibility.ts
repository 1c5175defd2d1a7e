import { median } from "../../core/stats.ts";
import type { Native } from "../../ggml/library.ts";
import { LlamaReference } from "../../ggml/llama-reference.ts";
import type { GgufFile } from "../../gguf/read.ts";
import { GgmlType } from "../../gguf/types.ts";
import type { HyperParameters } from "../../model/architecture.ts";
import { readTransformer } from "../../model/registry.ts";
import { Engine } from "../engine.ts";
import { compareWithLlama } from "./compare-with-llama.ts";
import { drawSplit } from "./draw-split.ts";
import { Float64Gpt2Moe } from "./float64-gpt2moe.ts";
import { formulaErrors } from "./formula-errors.ts";
import { bitsOf, type Generation, runGeneration } from "./run-generation.ts";
import { SplitExperts } from "./split-experts.ts";

/** Of every model that is checked. */
const CONTEXT = 512;
/** One token, fewer than a kernel's tile of rows, more than one tile, two, and the cache's first step. */
const PROMPT_LENGTHS: readonly number[] = [1, 7, 70, 130, 300];
const ANSWER_TOKENS = 4;

/** Token ids spread over the vocabulary: the same for every model of the same. */
export function somePrompt(length: number, { vocabulary }: Pick<HyperParameters, "vocabulary">): number[] {
  return Array.from({ length }, (_, i) => (i * 37 + length) % (vocabulary - 16));
}

/** `libllama`: bit for bit. `formulas`: written out in double precision, within a tolerance, where libllama has no such model. */
export type Oracle = "libllama" | "formulas";

/** What an architecture's exact numerics are held against. */
export function oracleOf(architecture: string): Oracle {
  return architecture === "gpt2moe" ? "formulas" : "libllama";
}

/** Where exact numerics are not what the oracle says: a line each. */
export function findOracleProblems(native: Native, file: GgufFile): Promise<readonly string[]> {
  const architecture = file.metadata.string("general.architecture");
  return oracleOf(architecture) === "libllama" ? differFromLlama(native, file) : differFromFormulas(native, file);
}

async function differFromLlama(native: Native, file: GgufFile): Promise<readonly string[]> {
  const same = { contextLength: CONTEXT, threads: 1, batch: CONTEXT };
  using engine = await Engine.load(native, file, { ...same, numerics: "exact" });
  using reference = new LlamaReference(native, file.path, same);
  const problems: string[] = [];
  for (const length of PROMPT_LENGTHS) {
    const prompt = somePrompt(length, engine.hyper);
    const generation = await runGeneration(engine, prompt, { maxTokens: ANSWER_TOKENS });
    const { maxAbsDifference, greedy } = compareWithLlama(reference, prompt, generation);
    if (maxAbsDifference !== 0) problems.push(`${length} tokens: logits differ by ${maxAbsDifference}`);
    if (greedy.join() !== generation.tokens.join()) problems.push(`${length} tokens: other tokens are chosen`);
  }
  return problems;
}

/**
 * Of logits, relative to the largest; a wrong formula is off by 1e-1 and more. With weights in F32 and F16, half precision
 * sets the limit: attention adds values up in it, and GELU is looked up in it. For other types the kernels round their
 * inputs to 8 bits: where two experts are almost equal to the gate this may choose the other one, so that the median counts.
 */
const TOLERANCE = { half: 2e-3, eight: 4e-2 } as const;
/** In double precision a longer prompt takes seconds. */
const LONGEST_FOR_FORMULAS = 70;

async function differFromFormulas(native: Native, file: GgufFile): Promise<readonly string[]> {
  const formulas = new Float64Gpt2Moe(native, file);
  using engine = await Engine.load(native, file, { threads: 1, contextLength: CONTEXT, numerics: "exact" });
  const errors: number[] = [];
  for (const length of PROMPT_LENGTHS.filter((each) => each <= LONGEST_FOR_FORMULAS)) {
    errors.push(...(await formulaErrors(engine, formulas, somePrompt(length, engine.hyper))));
  }
  const isHalf = [...file.tensors.values()].every(({ type }) => type === GgmlType.F32 || type === GgmlType.F16);
  const [error, tolerance] = isHalf ? [Math.max(...errors), TOLERANCE.half] : [median(errors), TOLERANCE.eight];
  return error <= tolerance ? [] : [`logits are off by ${error}`];
}

/** Where a model is computed. */
interface Placement {
  readonly threads: number;
  /** That have about half of the experts, and in some layers all; 0: every expert is with the main function. */
  readonly functions: number;
}

/**
 * Where default numerics with that many threads, and experts in no other function, one or two, are not what they are with
 * one thread and every expert here: a line each. Tokens and logits are compared bit for bit.
 */
export async function findPlacementProblems(
  native: Native,
  file: GgufFile,
  { threads }: { readonly threads: number },
): Promise<readonly string[]> {
  const expected = await generateAll(native, file, { threads: 1, functions: 0 });
  const problems: string[] = [];
  for (const functions of threads === 1 ? [1, 2] : [0, 1, 2]) {
    const actual = await generateAll(native, file, { threads, functions });
    const differing = PROMPT_LENGTHS.filter((_, i) => digest(actual[i]) !== digest(expected[i]));
    problems.push(...differing.map((length) => `${length} tokens, ${threads} threads, experts in ${functions} others`));
  }
  return problems;
}

function digest(generation: Generation | undefined): string {
  return generation === undefined ? "" : `${generation.tokens} ${bitsOf(generation.logits)}`;
}

/** An answer to every prompt. */
async function generateAll(native: Native, file: GgufFile, placement: Placement): Promise<readonly Generation[]> {
  const { threads, functions } = placement;
  const { hyper } = readTransformer(file, CONTEXT);
  const localShare = functions === 0 ? 1 : 0.5;
  const { local, remote } = drawSplit(hyper, { localShare, bareShare: 1 - localShare, functions, seed: functions });
  using engine = await Engine.load(native, file, { threads, contextLength: CONTEXT, experts: local });
  using others = await SplitExperts.load(native, file, remote);
  const generations: Generation[] = [];
  for (const length of PROMPT_LENGTHS) {
    const options = { maxTokens: ANSWER_TOKENS, remote: others };
    generations.push(await runGeneration(engine, somePrompt(length, hyper), options));
  }
  return generations;
}

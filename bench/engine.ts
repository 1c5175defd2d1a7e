import { spawn } from "node:child_process";
import { loadavg } from "node:os";
import { type Spread, spread } from "../src/core/stats.ts";
import type { CacheRegion } from "../src/engine/cache-regions.ts";
import { createPasses, type Numerics } from "../src/engine/create-passes.ts";
import { type LoadedRuntime, loadRuntime } from "../src/engine/load-runtime.ts";
import type { PassStrategy } from "../src/engine/pass-strategy.ts";
import type { Runtime } from "../src/engine/runtime.ts";
import { promptBatches } from "../src/engine/scheduler.ts";
import { kullbackLeibler } from "../src/engine/testing/kullback-leibler.ts";
import { CpuBackend } from "../src/ggml/cpu-backend.ts";
import { loadNative, type Native } from "../src/ggml/library.ts";
import { LlamaReference } from "../src/ggml/llama-reference.ts";
import { type GgufFile, readGguf } from "../src/gguf/read.ts";
import { argmax } from "../src/model/argmax.ts";
import { type Comparison, compareTurns, takeTurns } from "./engine-turns.ts";
import { describeMachine, type Machine } from "./machine.ts";

/**
 * Remoe's engine against libllama on the same file with the same number of threads, in one process, taking turns.
 * Every figure is a ratio of neighbours in time: a machine that slows down slows both sides.
 */
export interface EngineBenchOptions {
  readonly model: string;
  readonly threads: number;
  /** Turns of each side. */
  readonly rounds: number;
  /** Prompt lengths of the prefill part. */
  readonly promptTokens: readonly number[];
  /** Keep one core busy with something else meanwhile. */
  readonly neighbour: boolean;
}

export interface EngineBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly model: string;
  readonly date: string;
  readonly threads: number;
  readonly neighbour: boolean;
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly decode: Comparison;
  /** At the longest prompt. */
  readonly prefill: Comparison;
  readonly prefillByLength: readonly ({ readonly tokens: number } & Comparison)[];
  /** Exact numerics against libllama, over a prompt and greedy tokens. */
  readonly logits: { readonly tokens: number; readonly maxAbsDiff: number; readonly greedyEqual: boolean };
  /** Default numerics against exact ones, fed the same tokens. */
  readonly defaultNumerics: { readonly klPerToken: Spread; readonly greedyAgreement: number };
}

const CONTEXT = 1024;
const BATCH = 512;
const DECODE_BLOCK = 8;
const COMPARED_TOKENS = 64;

export async function benchEngine(options: EngineBenchOptions): Promise<EngineBenchmark> {
  const before = loadavg()[0] ?? 0;
  const neighbour = options.neighbour ? busyNeighbour() : undefined;
  const native = loadNative();
  const file = readGguf(options.model);
  try {
    using sides = await loadSides(native, file, options.threads);
    const decode = await benchDecode(sides, options.rounds);
    const prefillByLength = [];
    for (const tokens of options.promptTokens) {
      prefillByLength.push({ tokens, ...(await benchPrefill(sides, tokens, options.rounds)) });
    }
    const { logits, defaultNumerics } = await compareLogits(native, sides, options.threads);
    return {
      schemaVersion: 1,
      machine: describeMachine(),
      model: file.metadata.stringOr("general.name", options.model),
      date: new Date().toISOString().slice(0, 10),
      threads: options.threads,
      neighbour: options.neighbour,
      load: [before, loadavg()[0] ?? 0],
      decode,
      prefill: prefillByLength.at(-1) as Comparison,
      prefillByLength,
      logits,
      defaultNumerics,
    };
  } finally {
    neighbour?.kill("SIGKILL");
  }
}

interface Sides extends Disposable {
  readonly passes: SinglePasses;
  readonly loaded: LoadedRuntime;
  readonly llama: LlamaReference;
  /** Puts libllama's threads to sleep, as Remoe's are between requests. */
  parkLlama(): void;
}

async function loadSides(native: Native, file: GgufFile, threads: number): Promise<Sides> {
  const loaded = await loadRuntime(native, file, { threads, contextLength: CONTEXT });
  const passes = new SinglePasses(loaded.runtime, "default");
  const pool = new CpuBackend(native, threads);
  const llama = new LlamaReference(native, file.path, {
    contextLength: CONTEXT,
    batch: BATCH,
    threads,
    pool: pool.pool,
  });
  return {
    passes,
    loaded,
    llama,
    parkLlama: () => pool.park(),
    [Symbol.dispose]() {
      for (const part of [llama, pool, passes, loaded]) part[Symbol.dispose]();
    },
  };
}

async function benchDecode({ passes, llama, parkLlama, loaded }: Sides, rounds: number): Promise<Comparison> {
  const tokens = someTokens(loaded, CONTEXT);
  const block = (round: number): number[] => {
    const first = (round * DECODE_BLOCK) % CONTEXT;
    return Array.from({ length: DECODE_BLOCK }, (_, i) => first + i);
  };
  const turns = await takeTurns(
    rounds,
    async (round) => {
      for (const position of block(round)) await passes.decode(tokens[position] as number, position);
      passes.rest();
    },
    (round) => {
      const positions = block(round);
      if (positions[0] === 0) llama.clear();
      for (const position of positions) llama.decode([tokens[position] as number], position);
      parkLlama();
    },
  );
  return compareTurns(turns, DECODE_BLOCK);
}

async function benchPrefill(
  { passes, llama, parkLlama, loaded }: Sides,
  length: number,
  rounds: number,
): Promise<Comparison> {
  const tokens = someTokens(loaded, length);
  const turns = await takeTurns(
    Math.max(3, Math.ceil(rounds / 4)),
    async () => {
      await passes.prefill(tokens);
      passes.rest();
    },
    () => {
      llama.clear();
      llama.decode(tokens, 0);
      parkLlama();
    },
  );
  llama.clear();
  return compareTurns(turns, length);
}

async function compareLogits(
  native: Native,
  { passes, llama, loaded }: Sides,
  threads: number,
): Promise<Pick<EngineBenchmark, "logits" | "defaultNumerics">> {
  const prompt = someTokens(loaded, 100);
  const exactRuntime = { ...loaded.runtime, backend: new CpuBackend(native, threads) };
  using _backend = exactRuntime.backend;
  using exact = new SinglePasses(exactRuntime, "exact");
  llama.clear();
  const reference = [llama.decode(prompt, 0).slice()];
  let logits = await exact.prefill(prompt);
  const exactLogits = [logits.slice()];
  const greedy: number[] = [];
  let greedyEqual = true;
  for (let i = 0; i < COMPARED_TOKENS; i++) {
    const token = argmax(logits);
    greedyEqual &&= token === argmax(reference.at(-1) as Float32Array);
    greedy.push(token);
    reference.push(llama.decode([token], prompt.length + i).slice());
    logits = await exact.decode(token, prompt.length + i);
    exactLogits.push(logits.slice());
  }
  const divergences: number[] = [];
  let agreed = 0;
  let own = await passes.prefill(prompt);
  for (const [i, expected] of exactLogits.entries()) {
    divergences.push(kullbackLeibler(expected, own));
    agreed += argmax(expected) === argmax(own) ? 1 : 0;
    const token = greedy[i];
    if (token !== undefined) own = await passes.decode(token, prompt.length + i);
  }
  const maxAbsDiff = Math.max(...exactLogits.map((ours, i) => largestDifference(ours, reference[i] as Float32Array)));
  return {
    logits: { tokens: COMPARED_TOKENS, maxAbsDiff, greedyEqual },
    defaultNumerics: { klPerToken: spread(divergences), greedyAgreement: agreed / exactLogits.length },
  };
}

/** The passes of a runtime for a single sequence that nobody ends early. */
class SinglePasses implements Disposable {
  readonly #passes: PassStrategy;
  readonly #runtime: Runtime;
  readonly #region: CacheRegion;

  constructor(runtime: Runtime, numerics: Numerics) {
    this.#passes = createPasses(runtime, numerics);
    this.#runtime = runtime;
    this.#region = { first: 0, rows: runtime.cache.span(runtime.cache.contextLength) };
  }

  /** → logits of the last token, [vocabulary] */
  async prefill(prompt: readonly number[]): Promise<Float32Array> {
    let logits: Float32Array | undefined;
    for (const { tokens, position, isLast } of promptBatches(prompt)) {
      logits = await this.#passes.prefill(tokens, position, { region: this.#region, isLast });
    }
    return logits as Float32Array;
  }

  /** → logits, [vocabulary] */
  async decode(token: number, position: number): Promise<Float32Array> {
    const [result] = await this.#passes.decode([{ token, position, region: this.#region }]);
    return (result as { readonly logits: Float32Array }).logits;
  }

  rest(): void {
    this.#runtime.backend.park();
  }

  [Symbol.dispose](): void {
    this.#passes[Symbol.dispose]();
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] as number))), 0);
}

/** Token ids spread over the vocabulary: the same for both sides, and for every run. */
function someTokens({ runtime }: LoadedRuntime, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 13) % (runtime.hyper.vocabulary - 16));
}

/** Ends by itself when this process is gone, however that ended. */
function busyNeighbour(): ReturnType<typeof spawn> {
  const loop =
    "const parent = process.ppid; while (process.ppid === parent) for (let i = 0; i < 1e6; i++) Math.sqrt(i)";
  return spawn(process.execPath, ["-e", loop], { stdio: "ignore" });
}

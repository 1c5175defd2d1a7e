import { loadavg } from "node:os";
import { BatchedPasses } from "../src/engine/batched-passes.ts";
import { type LoadedRuntime, loadRuntime } from "../src/engine/load-runtime.ts";
import { CpuBackend } from "../src/ggml/cpu-backend.ts";
import { loadNative } from "../src/ggml/library.ts";
import { LlamaReference } from "../src/ggml/llama-reference.ts";
import { readGguf } from "../src/gguf/read.ts";
import { type Comparison, compareTurns, takeTurns } from "./engine-turns.ts";
import { describeMachine, type Machine } from "./machine.ts";

/** Several streams that decode at once: Remoe's batch against llama.cpp's own on the same file, taking turns. */
export interface StreamsBenchOptions {
  readonly model: string;
  readonly threads: number;
  /** Turns of each side. */
  readonly rounds: number;
  /** Numbers of streams. */
  readonly streams: readonly number[];
}

export interface StreamsBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly model: string;
  readonly date: string;
  readonly threads: number;
  /** Load average of one minute, before and after. */
  readonly load: readonly [number, number];
  /** Tokens of all streams together. */
  readonly decode: readonly (Comparison & { readonly streams: number })[];
}

/** Positions a stream goes through before both sides begin anew. */
const CONTEXT = 256;
/** Tokens of each stream in one turn. */
const BLOCK = 8;

export async function benchStreams({
  model,
  threads,
  rounds,
  streams,
}: StreamsBenchOptions): Promise<StreamsBenchmark> {
  const native = loadNative();
  const file = readGguf(model);
  const most = Math.max(...streams);
  const before = loadavg()[0] ?? 0;
  using loaded = await loadRuntime(native, file, { threads, contextLength: CONTEXT, parallel: most });
  using passes = new BatchedPasses(loaded.runtime);
  using pool = new CpuBackend(native, threads);
  const options = { contextLength: CONTEXT, sequences: most, batch: CONTEXT, threads, pool: pool.pool };
  using llama = new LlamaReference(native, file.path, options);
  const decode = [];
  for (const count of streams) {
    llama.clear();
    const turns = await takeTurns(
      rounds,
      async (round) => {
        for (const position of blockOf(round)) await decodeEach(passes, loaded, { count, position });
        loaded.runtime.backend.park();
      },
      (round) => {
        if (blockOf(round)[0] === 0) llama.clear();
        for (const position of blockOf(round)) llama.decodeEach(tokensAt(loaded, count, position), position);
        pool.park();
      },
    );
    decode.push({ streams: count, ...compareTurns(turns, count * BLOCK) });
  }
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    model: file.metadata.stringOr("general.name", model),
    date: new Date().toISOString().slice(0, 10),
    threads,
    load: [before, loadavg()[0] ?? 0],
    decode,
  };
}

function blockOf(round: number): number[] {
  const first = (round * BLOCK) % CONTEXT;
  return Array.from({ length: BLOCK }, (_, i) => first + i);
}

/** Every stream has other tokens. */
function tokensAt({ runtime }: LoadedRuntime, count: number, position: number): number[] {
  return Array.from({ length: count }, (_, i) => (position * 7919 + i * 104_729 + 1) % runtime.hyper.vocabulary);
}

async function decodeEach(
  passes: BatchedPasses,
  loaded: LoadedRuntime,
  { count, position }: { readonly count: number; readonly position: number },
): Promise<void> {
  const steps = tokensAt(loaded, count, position).map((token, i) => ({
    token,
    position,
    region: { first: i * CONTEXT, rows: CONTEXT },
  }));
  for (const result of await passes.decode(steps)) if ("error" in result) throw result.error;
}

import { median } from "../src/core/stats.ts";
import { ExpertEngine } from "../src/engine/expert-engine.ts";
import type { RemoteCall } from "../src/engine/runtime.ts";
import { cpuPlacement } from "../src/engine/tensor-loader.ts";
import { loadNative } from "../src/ggml/library.ts";
import { readGguf } from "../src/gguf/read.ts";
import { readTransformer } from "../src/model/registry.ts";

/** Layers differ in nothing that takes time; several of them keep the weights out of the processor's caches. */
const PROFILED_LAYERS = 4;
const PROFILE_ROUNDS = 100;

/**
 * Times the experts of one token on one thread.
 * @returns microseconds by the number of rows, from 0 to as many as a token has
 */
export async function profileExperts(model: string): Promise<number[]> {
  const native = loadNative();
  const file = readGguf(model);
  const { layers, experts, expertsPerToken: k, hidden } = readTransformer(file).hyper;
  const profiled = Math.min(layers, PROFILED_LAYERS);
  const all = Array.from({ length: experts }, (_, expert) => expert);
  const selection = Array.from({ length: layers }, (_, layer) => (layer < profiled ? all : []));
  using engine = await ExpertEngine.load(native, file, cpuPlacement(native), { selection, threads: 1, maxTokens: 1 });
  const samples: number[][] = Array.from({ length: k + 1 }, () => []);
  for (let round = 0; round < PROFILE_ROUNDS * profiled; round++) {
    for (let rows = 1; rows <= k; rows++) {
      const chosen = Int32Array.from({ length: rows }, (_, row) => (round * k + row) % experts);
      const began = performance.now();
      await engine.compute(tokenCall(round % profiled, chosen, hidden));
      samples[rows]?.push(1e3 * (performance.now() - began));
    }
  }
  return samples.map((times, rows) => (rows === 0 ? 0 : median(times)));
}

function tokenCall(layer: number, experts: Int32Array, hidden: number): RemoteCall {
  const count = experts.length;
  return {
    layer,
    kernel: "decode",
    inputs: new Float32Array(hidden).fill(0.1),
    rows: { count, tokens: new Int32Array(count), experts, slots: experts.map((_, row) => row) },
    weights: new Float32Array(count).fill(1),
    outputs: new Float32Array(count * hidden),
  };
}

export interface SplitFactors {
  /** A token's decode in one function with one thread, in milliseconds. */
  readonly oneThreadMs: number;
  /** Layers of a token that have remote rows. */
  readonly remoteLayers: number;
  /** Of the rows of a token. */
  readonly remoteShare: number;
  /** By rows, as of {@link profileExperts}. */
  readonly expertUs: readonly number[];
  /** t_rem */
  readonly emptyCallUs: number;
  /** D/B: one hidden state on the wire. */
  readonly hiddenStateUs: number;
}

/**
 * A token's decode in milliseconds when the main function and the expert functions have one thread each. Per layer with
 * remote rows, the experts' Στ(k) becomes max(τ(local rows), τ(remote rows) + (1 + remote rows)·D/B + t_rem). Assumes
 * that each row is remote with the same probability, independently of the others, and that one input serves all rows.
 */
export function predictDecode({ oneThreadMs, remoteLayers, ...factors }: SplitFactors): number {
  const { remoteShare, expertUs, emptyCallUs, hiddenStateUs } = factors;
  const k = expertUs.length - 1;
  const timeOf = (rows: number): number => expertUs[rows] ?? 0;
  let layerUs = 0;
  for (let remote = 1; remote <= k; remote++) {
    const remoteUs = timeOf(remote) + (1 + remote) * hiddenStateUs + emptyCallUs;
    layerUs += binomial(k, remote, remoteShare) * Math.max(timeOf(k - remote), remoteUs);
  }
  const touched = 1 - binomial(k, 0, remoteShare);
  return oneThreadMs + (remoteLayers * (layerUs / touched - timeOf(k))) / 1e3;
}

/** Probability of `hits` in `n` independent draws. */
function binomial(n: number, hits: number, share: number): number {
  let ways = 1;
  for (let i = 0; i < hits; i++) ways *= (n - i) / (hits - i);
  return ways * share ** hits * (1 - share) ** (n - hits);
}

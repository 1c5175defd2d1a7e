import { expertsFootprint, type MainFootprintOptions, mainFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import type { ModelSizes } from "../planner/problem.ts";

const MIB = 2 ** 20;
/** Node.js, the native libraries and room to work in: a function before it holds any weight. */
const RUNTIME_MB = 128;

/**
 * A model's shape and weight, from the file's header alone. What functions check at their start is never more than their
 * base, cache and weights by these numbers.
 * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function readModelSizes(file: GgufFile, options: Omit<MainFootprintOptions, "experts">): ModelSizes {
  const { layers, experts, expertsPerToken } = readTransformer(file).hyper;
  const none = Array.from({ length: layers }, (): number[] => []);
  const bare = mainFootprint(file, { ...options, experts: none });
  const complete = mainFootprint(file, options);
  const { threads } = options;
  const { bufferBytes, downloadBytes } = expertsFootprint(file, { experts: none, threads, maxTokens: BATCH_TOKENS });
  return {
    name: modelName(file),
    layers,
    experts,
    expertsPerToken,
    expertMb: none.map((_, layer) => oneExpertBytes(file, layer, layers) / MIB),
    nonExpertMb: bare.weightBytes / MIB,
    cacheMb: bare.cacheBytes / MIB,
    // A main function with every expert keeps other passes than one without.
    mainBaseMb: RUNTIME_MB + (Math.max(bare.bufferBytes, complete.bufferBytes) + downloadBytes) / MIB,
    expertsBaseMb: RUNTIME_MB + (bufferBytes + downloadBytes) / MIB,
  };
}

/** The name in the model file, or else its path. */
export function modelName({ metadata, path }: GgufFile): string {
  return metadata.stringOr("general.name", path);
}

/** A stack of several takes no more for each: it is aligned as one. */
function oneExpertBytes(file: GgufFile, layer: number, layers: number): number {
  const selection = Array.from({ length: layers }, (_, each) => (each === layer ? [0] : []));
  return expertsFootprint(file, { experts: selection, threads: 1, maxTokens: 1 }).weightBytes;
}

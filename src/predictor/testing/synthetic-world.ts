import { createRandom } from "../../core/random.ts";
import type { Example, RoutingSample } from "../example.ts";
import { type Embedding, promptVector } from "../prompt-vector.ts";
import type { TrainingShape } from "../training-set.ts";

/** A vocabulary, the gates of a model, and prompts of a few topics that ran through them. */
export interface SyntheticWorld {
  readonly shape: TrainingShape;
  /** Experts a token is routed to in each layer. */
  readonly topK: number;
  readonly embedding: Embedding;
  /** Of each layer: [experts × dimensions] */
  readonly gates: readonly Float32Array[];
  readonly examples: readonly Example[];
  /** Prompts like the examples, and not among them. */
  readonly unseen: readonly Example[];
}

const TOPICS = 4;
const TOKENS_OF_TOPIC = 15;
const VOCABULARY = TOPICS * TOKENS_OF_TOPIC;
const GENERATED_TOKENS = 6;
const TOPIC_SHARE = 0.8;

/** The dimensions are no multiple of anything, to catch kernels that forget their remainder. */
export const SYNTHETIC_SHAPE: TrainingShape = { layers: 3, experts: 8, dimensions: 21 };

/** A token no synthetic world knows. */
export const UNKNOWN_TOKEN = VOCABULARY;

/** The same world for the same seed. */
export function createSyntheticWorld({ seed = 1, examples = 60, unseen = 20 } = {}): SyntheticWorld {
  const random = createRandom(seed);
  const shape = SYNTHETIC_SHAPE;
  const topics = Array.from({ length: TOPICS }, () => gaussians(shape.dimensions, random));
  const rows = Array.from({ length: VOCABULARY }, (_, token) =>
    gaussians(shape.dimensions, random).map((noise, i) => noise + (topics[topicOf(token)]?.[i] ?? 0)),
  );
  const gates = Array.from({ length: shape.layers }, () => gaussians(shape.experts * shape.dimensions, random));
  const model = { shape, topK: 2, embedding: (token: number) => rows[token] ?? null, gates };
  const run = (): Example => createExample(drawTokens(random), drawTokens(random).slice(0, GENERATED_TOKENS), model);
  return {
    ...model,
    examples: Array.from({ length: examples }, run),
    unseen: Array.from({ length: unseen }, run),
  };
}

/** The same world with its experts renamed: expert e becomes `renamed[e]` in every layer. */
export function renameExperts(world: SyntheticWorld, renamed: readonly number[]): SyntheticWorld {
  const { shape, topK } = world;
  const rename = (expert: number): number => renamed[expert] ?? expert;
  const renameSample = ({ tokens, experts }: RoutingSample): RoutingSample => ({
    tokens,
    experts: experts.map(rename),
  });
  const renameExample = (example: Example): Example => ({
    ...example,
    prefill: moveRows(example.prefill, renamed, 1),
    decode: moveRows(example.decode, renamed, 1),
    prefillSample: renameSample(example.prefillSample),
    decodeSample: renameSample(example.decodeSample),
  });
  return {
    shape,
    topK,
    embedding: world.embedding,
    gates: world.gates.map((gate) => moveRows(gate, renamed, shape.dimensions)),
    examples: world.examples.map(renameExample),
    unseen: world.unseen.map(renameExample),
  };
}

/** Moves the row of each expert in a table of [… × experts × width]. */
export function moveRows<T extends Uint32Array | Float32Array>(table: T, renamed: readonly number[], width: number): T {
  const moved = table.slice() as T;
  for (let row = 0; row < table.length / width; row++) {
    const layerStart = row - (row % renamed.length);
    const to = layerStart + (renamed[row % renamed.length] as number);
    moved.set(table.subarray(row * width, (row + 1) * width), to * width);
  }
  return moved;
}

type Model = Pick<SyntheticWorld, "shape" | "topK" | "embedding" | "gates">;

function createExample(tokens: readonly number[], generated: readonly number[], model: Model): Example {
  const prefillSample = route(tokens, model);
  const decodeSample = route(generated, model);
  return {
    vector: promptVector(tokens, model.embedding, model.shape.dimensions),
    tokens,
    prefill: countPairs(prefillSample, model),
    decode: countPairs(decodeSample, model),
    prefillSample,
    decodeSample,
  };
}

/** A token goes to the experts whose gates its embedding excites most. */
function route(tokens: readonly number[], { gates, embedding, shape, topK }: Model): RoutingSample {
  const experts = tokens.flatMap((token) =>
    gates.flatMap((gate) => {
      const row = embedding(token) ?? new Float32Array(shape.dimensions);
      const logits = Array.from({ length: shape.experts }, (_, expert) =>
        row.reduce((sum, x, i) => sum + x * (gate[expert * shape.dimensions + i] ?? 0), 0),
      );
      const ranked = logits.map((_, expert) => expert).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
      return ranked.slice(0, topK);
    }),
  );
  return { tokens: Uint32Array.from(tokens), experts: Uint16Array.from(experts) };
}

function countPairs({ experts }: RoutingSample, { shape, topK }: Model): Uint32Array {
  const counts = new Uint32Array(shape.layers * shape.experts);
  for (const [pair, expert] of experts.entries()) {
    const layer = Math.floor(pair / topK) % shape.layers;
    const at = layer * shape.experts + expert;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}

function drawTokens(random: () => number): number[] {
  const topic = Math.floor(random() * TOPICS);
  return Array.from({ length: 8 + Math.floor(random() * 12) }, () =>
    random() < TOPIC_SHARE
      ? topic * TOKENS_OF_TOPIC + Math.floor(random() * TOKENS_OF_TOPIC)
      : Math.floor(random() * VOCABULARY),
  );
}

function topicOf(token: number): number {
  return Math.floor(token / TOKENS_OF_TOPIC);
}

/** Normal numbers by Box and Muller. */
function gaussians(length: number, random: () => number): Float32Array {
  return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

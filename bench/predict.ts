import { basename, join } from "node:path";
import { historyIdentity } from "../src/cli/history-identity.ts";
import { loadNative, type Native } from "../src/ggml/library.ts";
import { type GgufFile, readGguf } from "../src/gguf/read.ts";
import type { HistoryIdentity } from "../src/history/identity.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { gateMatrices } from "../src/model/gate-matrices.ts";
import { TokenEmbeddings } from "../src/model/token-embeddings.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import type { ActivationMatrix } from "../src/predictor/example.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Contender, type ContenderName, createContenders } from "./predict-contenders.ts";
import { comparePlacements, type Placement } from "./predict-placement.ts";
import { readRecords } from "./predict-records.ts";
import { byContender, type Predictions, type Scores, scorePredictions } from "./predict-scores.ts";
import { timeBruteForce, timeDefinition, timeQueries } from "./predict-times.ts";

/**
 * How well each predictor knows from a prompt which experts it will activate (Fig. 8 of the paper), what that spares in
 * remote experts, and how long it takes.
 */
export interface PredictBenchOptions {
  readonly model: string;
  /** Histories, or files of prompts to run; by default the prompts that come with the bundled model. */
  readonly history?: string | undefined;
  readonly test?: string | undefined;
  /** Prompts are texts to continue, without the chat template. */
  readonly raw?: boolean | undefined;
  /** Take the first so many prompts of each. */
  readonly limit?: number | undefined;
}

export interface PredictBenchmark extends Scores {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly model: string;
  readonly date: string;
  readonly raw: boolean;
  /** Learnt from, and asked about. */
  readonly prompts: { readonly history: PromptSource; readonly test: PromptSource };
  readonly placement: readonly Placement[];
  /** Milliseconds, named `spsMs` and so on. */
  readonly build: Readonly<Record<`${ContenderName}Ms`, number>>;
  /** Median microseconds, named `spsUs` and so on; `definition` is brute force by the definition of the soft cosine. */
  readonly query: Readonly<Record<`${ContenderName | "definition"}Us`, number>>;
  /** Brute force by the closed form. */
  readonly bruteForce: { readonly prompts: number; readonly ms: number };
}

export interface PromptSource {
  readonly file: string;
  readonly prompts: number;
}

const BRUTE_FORCE_PROMPTS = 100_000;

export async function benchPredict(options: PredictBenchOptions): Promise<PredictBenchmark> {
  const { model, history = bundledPrompts("bundle-train.jsonl"), test = bundledPrompts("bundle-test.jsonl") } = options;
  const { raw = false, limit = Number.POSITIVE_INFINITY } = options;
  const native = loadNative();
  const file = readGguf(model);
  const identity = await historyIdentity(file);
  using embeddings = new TokenEmbeddings(native, file);
  const reading = { native, file, identity, embeddings, isRaw: raw, limit };
  const examples = await readRecords(history, reading);
  const queries = await readRecords(test, reading);
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    model: file.metadata.stringOr("general.name", basename(model)),
    date: new Date().toISOString().slice(0, 10),
    raw,
    prompts: {
      history: { file: basename(history), prompts: examples.length },
      test: { file: basename(test), prompts: queries.length },
    },
    ...(await compare({ native, file, identity, embeddings, examples, queries })),
  };
}

/** Path of a file of prompts that comes with the bundled model. */
export function bundledPrompts(name: string): string {
  return join(packageRoot(), "models", "tiny-moe", "prompts", name);
}

interface Comparison {
  readonly native: Native;
  readonly file: GgufFile;
  readonly identity: HistoryIdentity;
  readonly embeddings: TokenEmbeddings;
  readonly examples: readonly HistoryRecord[];
  readonly queries: readonly HistoryRecord[];
}

type Compared = Scores & Pick<PredictBenchmark, "placement" | "build" | "query" | "bruteForce">;

async function compare(comparison: Comparison): Promise<Compared> {
  const { native, file, identity, embeddings, examples, queries } = comparison;
  const embedding = await embeddings.of([...examples, ...queries].flatMap(({ tokens }) => [...tokens]));
  const gates = await gateMatrices(native, file);
  const contenders = createContenders({ shape: identity, examples, embedding, gates });
  const predictions = predictAll(contenders, queries);
  const named = <Unit extends string>(unit: Unit, value: (contender: Contender) => number) =>
    Object.fromEntries(contenders.map((contender) => [`${contender.name}${unit}`, value(contender)])) as Record<
      `${ContenderName}${Unit}`,
      number
    >;
  return {
    ...scorePredictions(queries, predictions, identity),
    placement: comparePlacements({ examples, queries, predictions, shape: identity }),
    build: named("Ms", ({ buildMs }) => buildMs),
    query: {
      ...named("Us", ({ predictor }) => timeQueries(predictor, queries)),
      definitionUs: timeDefinition(examples, queries, embedding),
    },
    bruteForce: {
      prompts: BRUTE_FORCE_PROMPTS,
      ms: timeBruteForce(examples, BRUTE_FORCE_PROMPTS, identity.dimensions),
    },
  };
}

function predictAll(contenders: readonly Contender[], queries: readonly HistoryRecord[]): Predictions {
  const predictions = new Map<ContenderName, ActivationMatrix[]>();
  for (const { name, predictor } of contenders) {
    predictions.set(
      name,
      queries.map((query) => predictor.predict(query)),
    );
  }
  return byContender((name) => predictions.get(name) ?? []);
}

import { createRandom } from "../src/core/random.ts";
import { median } from "../src/core/stats.ts";
import { createBf } from "../src/predictor/bf.ts";
import { complete } from "../src/predictor/complete.ts";
import { createDop } from "../src/predictor/dop.ts";
import { createEf } from "../src/predictor/ef.ts";
import type { Example } from "../src/predictor/example.ts";
import { createFate, type FateOptions } from "../src/predictor/fate.ts";
import { OnlinePredictor } from "../src/predictor/online-predictor.ts";
import type { Predictor } from "../src/predictor/predictor.ts";
import { createSps } from "../src/predictor/sps.ts";
import { TrainingSet, type TrainingShape } from "../src/predictor/training-set.ts";
import { createVarEd } from "../src/predictor/vared.ts";
import { createVarPam } from "../src/predictor/varpam.ts";

/** As in results: `best` is what Remoe predicts with, `spsLiteral` SPS with siblings added up to α candidates only. */
export const CONTENDERS = ["best", "sps", "spsLiteral", "bf", "varpam", "vared", "dop", "fate", "ef"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface Contender {
  readonly name: ContenderName;
  readonly predictor: Pick<Predictor, "predict">;
  /** From examples whose vectors and matrices are at hand. */
  readonly buildMs: number;
}

export interface ContenderOptions extends Pick<FateOptions, "embedding" | "gates"> {
  readonly shape: TrainingShape;
  /** To learn from. */
  readonly examples: readonly Example[];
}

const SEED = 1;
/** A build is repeated for its time, so that compiling its code does not count… */
const MOST_BUILDS = 5;
/** … unless it takes long. */
const ENOUGH_MS = 1000;

export function createContenders({ shape, examples, embedding, gates }: ContenderOptions): Contender[] {
  const set = new TrainingSet(shape, examples);
  const seeded = () => ({ random: createRandom(SEED) });
  const create: Readonly<Record<ContenderName, () => Contender["predictor"]>> = {
    best: () => createBest(shape, examples),
    sps: () => createSps(set, seeded()),
    spsLiteral: () => createSps(set, { ...seeded(), candidates: 0 }),
    bf: () => createBf(set),
    varpam: () => createVarPam(set),
    vared: () => createVarEd(set, seeded()),
    dop: () => createDop(set),
    fate: () => createFate({ shape, embedding, gates }),
    ef: () => createEf(shape),
  };
  return CONTENDERS.map((name) => ({ name, ...timeBuild(create[name]) }));
}

function createBest(shape: TrainingShape, examples: readonly Example[]): Contender["predictor"] {
  const online = new OnlinePredictor(shape);
  complete(online.start(examples));
  return { predict: (query) => online.forecast(query).matrix };
}

function timeBuild<Result>(build: () => Result): { readonly predictor: Result; readonly buildMs: number } {
  const times: number[] = [];
  const began = performance.now();
  for (;;) {
    const start = performance.now();
    const predictor = build();
    const now = performance.now();
    times.push(now - start);
    if (times.length === MOST_BUILDS || now - began > ENOUGH_MS) return { predictor, buildMs: median(times) };
  }
}

import { basename } from "node:path";
import { formatTable } from "../src/cli/table.ts";
import { remoeError } from "../src/core/errors.ts";
import { createRandom } from "../src/core/random.ts";
import type { HistoryIdentity } from "../src/history/identity.ts";
import { readHistory } from "../src/history/read-history.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { ConformalBounds, type Forecast } from "../src/planner/conformal-bound.ts";
import { hoeffdingRows, type LoadBound } from "../src/planner/load-bound.ts";
import { byUtility } from "../src/planner/uniform-selection.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";
import { complete } from "../src/predictor/complete.ts";
import type { ActivationMatrix } from "../src/predictor/example.ts";
import { OnlinePredictor } from "../src/predictor/online-predictor.ts";

/** How often the worst case that main memory is chosen by holds for prompts that were not seen before. */
export interface CoverageOptions {
  /** History of prompts to learn from and to calibrate with. */
  readonly history: string;
  /** History of the prompts to ask about. */
  readonly test: string;
}

export interface MmpCoverage {
  readonly schemaVersion: 1;
  readonly history: string;
  readonly test: string;
  /** The predictor learnt from the first, conformal bounds from the second, coverage is that of the third. */
  readonly prompts: { readonly learnt: number; readonly calibrated: number; readonly tested: number };
  /** What a bound has to hold in. */
  readonly target: 0.95;
  readonly bounds: readonly BoundCoverage[];
}

/** By shape alone; by earlier requests before the prompt's prediction; and after it. */
export type BoundName = "hoeffding" | "conformal" | "conformal-predicted";

type Phase = "prefill" | "decode";

export interface BoundCoverage {
  readonly bound: BoundName;
  /** Which experts are remote: those predicted least active, as in a plan, or those predicted most active. */
  readonly remote: "unpopular" | "popular";
  readonly phase: Phase;
  /** How many of each layer. */
  readonly experts: number;
  /** Requests with tokens in this phase. */
  readonly requests: number;
  /** Share of (request, layer) pairs whose remote rows stay within the bound. */
  readonly layers: number;
  /** Share of requests that do in all layers; conformal bounds are then those for all layers together. */
  readonly allLayers: number;
  /** Mean share of all rows: as bounded for each layer, and as it was. */
  readonly boundShare: number;
  readonly trueShare: number;
}

export async function measureMmpCoverage({ history, test }: CoverageOptions): Promise<MmpCoverage> {
  const known = await readHistory(history);
  const records = shuffled(await readAll(known, history));
  const { identity } = known;
  const tested = await readAll(await readHistory(test, identity), test);
  const learnt = records.slice(0, Math.ceil((2 * records.length) / 3));
  const calibrated = records.slice(learnt.length);
  const predictor = new OnlinePredictor(identity);
  complete(predictor.start(learnt));
  const predict = (of: readonly HistoryRecord[]): Predicted[] =>
    of.map((record) => ({ record, predicted: predictor.forecast(record).matrix }));
  const forecasts = { calibrated: predict(calibrated), tested: predict(tested) };
  const bounds = (["prefill", "decode"] as const).flatMap((phase) => {
    const world: World = {
      identity,
      phase,
      remote: "unpopular",
      calibrated: toOutcomes(forecasts.calibrated, phase, identity),
      tested: toOutcomes(forecasts.tested, phase, identity),
    };
    return [...coverages(world), ...coverages(popularFirst(world))];
  });
  return {
    schemaVersion: 1,
    history: basename(history),
    test: basename(test),
    prompts: { learnt: learnt.length, calibrated: calibrated.length, tested: tested.length },
    target: 0.95,
    bounds,
  };
}

export function formatMmpCoverage({ bounds, prompts }: MmpCoverage): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = bounds.map(({ phase, remote, experts, bound, layers, allLayers, boundShare, trueShare }) => {
    return [
      phase,
      remote,
      `${experts}`,
      bound,
      percent(layers),
      percent(allLayers),
      percent(boundShare),
      percent(trueShare),
    ];
  });
  const head = ["phase", "remote", "m", "bound", "layers", "all layers", "bounded", "true"];
  const { learnt, calibrated, tested } = prompts;
  const note = `${tested} prompts tested, ${learnt} learnt from, ${calibrated} calibrated with; to hold in 95 %\n`;
  return `${formatTable([head, ...rows], [2, 4, 5, 6, 7])}${note}`;
}

const SEED = 1;

interface Predicted {
  readonly record: HistoryRecord;
  readonly predicted: ActivationMatrix;
}

async function readAll(records: AsyncIterable<HistoryRecord>, path: string): Promise<HistoryRecord[]> {
  const all: HistoryRecord[] = [];
  for await (const record of records) all.push(record);
  if (all.length === 0) throw remoeError("HISTORY_INVALID", { path, problem: "it holds nothing to compare with" });
  return all;
}

function shuffled<T>(values: readonly T[]): T[] {
  const random = createRandom(SEED);
  return values
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

/** A request's phase: how many tokens it had, what was predicted and what they activated. */
interface Outcome extends Forecast {
  readonly tokens: number;
}

interface World {
  readonly identity: HistoryIdentity;
  readonly phase: Phase;
  readonly remote: BoundCoverage["remote"];
  readonly calibrated: readonly Outcome[];
  readonly tested: readonly Outcome[];
}

/** Phases without tokens are left out. */
function toOutcomes(records: readonly Predicted[], phase: Phase, identity: HistoryIdentity): Outcome[] {
  return records.flatMap(({ record, predicted }) => {
    const pairs = record[phase].reduce((a, b) => a + b, 0);
    const tokens = pairs / (identity.layers * identity.expertsPerToken);
    return tokens === 0 ? [] : [{ tokens, predicted, truth: toActivationMatrix(record[phase], identity) }];
  });
}

/** With the order of predictions turned round, the most useful experts are the first to be remote. */
function popularFirst(world: World): World {
  const turn = (outcome: Outcome): Outcome => ({ ...outcome, predicted: outcome.predicted.map((share) => -share) });
  return { ...world, remote: "popular", calibrated: world.calibrated.map(turn), tested: world.tested.map(turn) };
}

/** With a quarter, a half and three quarters of the experts remote. */
function coverages(world: World): BoundCoverage[] {
  if (world.tested.length === 0) return [];
  const { identity, remote } = world;
  const bounds = new ConformalBounds(identity, world.calibrated);
  const conformal = (scope: Scope, predicted: ActivationMatrix | null): LoadBound => bounds.bound({ scope, predicted });
  const byShape: LoadBound = {
    rows: (asked) => hoeffdingRows(identity, asked),
    mostOfOne: (asked) => hoeffdingRows(identity, { ...asked, remote: Math.min(1, asked.remote) }),
  };
  const contenders: Partial<Record<BoundName, BoundOf>> = {
    hoeffding: () => byShape,
    conformal: (scope) => conformal(scope, null),
    // Turned round, what was predicted are no shares.
    ...(remote === "unpopular" && {
      "conformal-predicted": (scope: Scope, { predicted }: Outcome) => conformal(scope, predicted),
    }),
  };
  return [0.25, 0.5, 0.75].flatMap((share) =>
    Object.entries(contenders).map(([bound, boundOf]) =>
      cover(world, { bound: bound as BoundName, experts: Math.round(share * identity.experts), boundOf }),
    ),
  );
}

type Scope = "layer" | "request";
type BoundOf = (scope: Scope, outcome: Outcome) => LoadBound;

interface Contender {
  readonly bound: BoundName;
  readonly experts: number;
  readonly boundOf: BoundOf;
}

/** One layer of one request, in rows. */
interface LayerRows {
  readonly bounded: number;
  readonly boundedTogether: number;
  readonly actual: number;
  readonly all: number;
}

function cover({ tested, identity, phase, remote }: World, { bound, experts, boundOf }: Contender): BoundCoverage {
  const requests = tested.map((outcome) => {
    const { tokens } = outcome;
    const [perLayer, together] = [boundOf("layer", outcome), boundOf("request", outcome)];
    return Array.from({ length: identity.layers }, (_, layer): LayerRows => {
      const asked = { layer, remote: experts, tokens };
      const all = tokens * identity.expertsPerToken;
      const actual = all * remoteShare(outcome, layer, { experts, identity });
      return { bounded: perLayer.rows(asked), boundedTogether: together.rows(asked), actual, all };
    });
  });
  const layers = requests.flat();
  const mean = (of: (each: LayerRows) => number): number =>
    layers.reduce((sum, each) => sum + of(each), 0) / layers.length;
  const isWithin = ({ actual, all }: LayerRows, limit: number): boolean => actual <= limit + ROUNDING * all;
  return {
    bound,
    remote,
    phase,
    experts,
    requests: tested.length,
    layers: mean((each) => (isWithin(each, each.bounded) ? 1 : 0)),
    allLayers:
      requests.filter((own) => own.every((each) => isWithin(each, each.boundedTogether))).length / tested.length,
    boundShare: mean(({ bounded, all }) => bounded / all),
    trueShare: mean(({ actual, all }) => actual / all),
  };
}

/** Of shares in single precision. */
const ROUNDING = 1e-6;

function remoteShare(
  { predicted, truth }: Outcome,
  layer: number,
  { experts: count, identity: { experts } }: Pick<Contender, "experts"> & Pick<World, "identity">,
): number {
  const remote = byUtility(predicted.subarray(layer * experts, (layer + 1) * experts)).slice(0, count);
  return remote.reduce((sum, expert) => sum + (truth[layer * experts + expert] as number), 0);
}

import type { HistoryRecord } from "../src/history/record.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";
import { layerDivergences } from "../src/predictor/divergence.ts";
import type { ActivationMatrix, Shape } from "../src/predictor/example.ts";
import { halfDivergence } from "../src/predictor/half-divergence.ts";
import { CONTENDERS, type ContenderName } from "./predict-contenders.ts";
import { type Estimate, estimateMean, meanOf } from "./predict-estimate.ts";

/** What each contender predicted for each test prompt. */
export type Predictions = Readonly<Record<ContenderName, readonly ActivationMatrix[]>>;

/** Base-2 Jensen–Shannon divergences of predicted from true matrices. */
export interface Scores {
  /** Mean over layers and prompts. */
  readonly js: Readonly<Record<ContenderName, number>>;
  /** The same with its interval. */
  readonly estimates: Readonly<Record<ContenderName, Estimate>>;
  /** Prompt by prompt, a contender's divergence less SPS's. */
  readonly overSps: Readonly<Record<ContenderName, Estimate>>;
  /** By layer, mean over prompts. */
  readonly layers: Readonly<Record<ContenderName, readonly number[]>>;
  /** Domains by name; prompts of no known domain are in none. */
  readonly domains: readonly DomainScores[];
  /** Between tokens at even and at odd positions of the same prompt; null without a prompt of two sampled tokens. */
  readonly halves: Estimate | null;
}

export interface DomainScores {
  readonly domain: string;
  readonly prompts: number;
  readonly estimates: Readonly<Record<ContenderName, Estimate>>;
}

/** @param records of the test prompts */
export function scorePredictions(records: readonly HistoryRecord[], predictions: Predictions, shape: Shape): Scores {
  const truths = records.map(({ prefill }) => toActivationMatrix(prefill, shape));
  const byLayer = byContender((name) =>
    predictions[name].map((predicted, i) => layerDivergences(predicted, truths[i] as ActivationMatrix, shape)),
  );
  const byPrompt = byContender((name) => byLayer[name].map((layers) => meanOf([...layers])));
  return {
    js: byContender((name) => meanOf(byPrompt[name])),
    estimates: byContender((name) => estimateMean(byPrompt[name])),
    overSps: byContender((name) => estimateMean(byPrompt[name].map((js, i) => js - (byPrompt.sps[i] as number)))),
    layers: byContender((name) =>
      Array.from({ length: shape.layers }, (_, layer) =>
        meanOf(byLayer[name].map((layers) => layers[layer] as number)),
      ),
    ),
    domains: scoreDomains(records, byPrompt),
    halves: compareHalves(records, shape),
  };
}

export function byContender<Value>(evaluate: (name: ContenderName) => Value): Record<ContenderName, Value> {
  return Object.fromEntries(CONTENDERS.map((name) => [name, evaluate(name)])) as Record<ContenderName, Value>;
}

function scoreDomains(
  records: readonly HistoryRecord[],
  byPrompt: Readonly<Record<ContenderName, readonly number[]>>,
): DomainScores[] {
  const domains = [...new Set(records.flatMap(({ domain }) => domain ?? []))].sort();
  return domains.map((domain) => {
    const isOfDomain = (_: number, i: number): boolean => records[i]?.domain === domain;
    const estimates = byContender((name) => estimateMean(byPrompt[name].filter(isOfDomain)));
    return { domain, prompts: byPrompt.sps.filter(isOfDomain).length, estimates };
  });
}

function compareHalves(records: readonly HistoryRecord[], shape: Shape): Estimate | null {
  const samples = records.map(({ prefillSample }) => prefillSample).filter(({ tokens }) => tokens.length >= 2);
  return samples.length === 0 ? null : estimateMean(samples.map((sample) => halfDivergence(sample, shape)));
}

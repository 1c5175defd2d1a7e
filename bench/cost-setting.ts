import { PRICE_BOOKS } from "../src/ledger/price-books.ts";
import { bothKinds } from "../src/planner/plan-kind.ts";
import type { PlanningProblem, Workload } from "../src/planner/problem.ts";
import { DEVICES, HOSTS } from "../src/profile/modelled/hardware.ts";
import { SHAPES, specsOf } from "../src/profile/modelled/model-shape.ts";
import { modelledProfile } from "../src/profile/modelled/modelled-profile.ts";
import { usualObjectives } from "./cost-objectives.ts";
import { found, SETTINGS } from "./plan-problems.ts";
import { type SyntheticRequest, syntheticRequests } from "./synthetic-demand.ts";

/** Models of the paper's experiments. */
export const PAPER_MODELS = ["deepseek-v2-lite", "gpt2-moe"] as const;

export interface SettingOptions {
  readonly model: string;
  readonly workload: Workload;
  readonly requests: number;
}

/** Requests of a model on hardware that is not here, and what there is to decide for each. */
export interface Setting {
  readonly requests: readonly SyntheticRequest[];
  /** Without demand. */
  readonly base: Omit<PlanningProblem, "demand">;
}

/** Predicted demand is off a little; planners have to leave room for it, as they do where times are measured. */
const MARGIN = 1.05;
const SEED = 1;

/**
 * The paper's hardware (an A100 beside a Xeon Gold 6348), specs and prices. Every function is started for the request: it
 * decides before inference, for each prompt.
 */
export function paperSetting({ model, workload, requests }: SettingOptions): Setting {
  const shape = found(SHAPES, model);
  const { device, host, prices } = SETTINGS[0];
  const drawn = syntheticRequests({ shape, workload, count: requests, seed: SEED });
  const base = {
    ...modelledProfile({ device: found(DEVICES, device), host: found(HOSTS, host), shape }),
    prices: found(PRICE_BOOKS, prices),
    specs: specsOf(shape),
    workload,
    isCold: true,
    margin: bothKinds({ ttft: MARGIN, tpot: MARGIN }),
    slo: { ttftMs: null, tpotMs: null },
  };
  const demand = (drawn[0] as SyntheticRequest).predicted;
  return { requests: drawn, base: { ...base, slo: usualObjectives({ ...base, demand }) } };
}

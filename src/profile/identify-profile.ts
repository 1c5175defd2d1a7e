import { isRemoeError } from "../core/errors.ts";
import type { CostProfile, StartTime } from "../planner/cost-profile.ts";
import { fitExponential } from "../planner/exponential-fit.ts";
import { timeAt } from "../planner/speed-curve.ts";
import type { SpeedFit } from "./fit-speed-curves.ts";
import { identifyContention } from "./identify-contention.ts";
import { type IdentifiedExperts, identifyExperts } from "./identify-experts.ts";
import { identifyMain } from "./identify-main.ts";
import { identifySplit } from "./identify-split.ts";
import { identifySpread } from "./identify-spread.ts";
import type { Measurements, StartPoint } from "./measurements.ts";
import { nonNegativeLeastSquares } from "./non-negative-least-squares.ts";

/** What a profile says beside times. */
export interface ProfileSubject extends Pick<CostProfile, "machine" | "date" | "model"> {
  /** Cold starts that do not slow each other down; `null`: any number. */
  readonly parallelStarts: number | null;
}

/** How well a part of the measurements is explained. */
export type FitReport =
  | {
      readonly name: string;
      readonly form: string;
      /** What the fitted numbers were held to. */
      readonly bounds: string;
      /** Root mean square of the errors, relative to the times. */
      readonly relativeResidual: number;
      /** Where they are not in the profile. */
      readonly parameters?: Readonly<Record<string, number>>;
    }
  | { readonly name: string; readonly form: string; readonly failure: string };

export interface IdentifiedProfile {
  readonly profile: CostProfile;
  readonly fits: readonly FitReport[];
}

/** Finds the times of the latency model that explain the measurements best. */
export function identifyProfile(measured: Measurements, subject: ProfileSubject): IdentifiedProfile {
  const { machine, date, model, parallelStarts } = subject;
  const remote = identifyExperts(measured);
  const main = identifyMain(measured, remote.times);
  const split = identifySplit(measured, { remote: remote.times, unsplit: main.times.decodeToken });
  const known = { cpu: main.times, split: split.times, remote: remote.times, wire: split.wire };
  const { contention, relativeResidual } = identifyContention(known, measured.mixed, measured.shape);
  const startsOf = (role: StartPoint["role"]) => measured.starts.filter((start) => start.role === role);
  const profile: CostProfile = {
    schemaVersion: 2,
    kind: "measured",
    machine,
    date,
    model,
    ...known,
    mix: null,
    gpu: null,
    contention,
    swap: { fixedMs: 0, perHiddenStateMs: 0 },
    overhead: { mainMs: measured.mainMs.median, gatewayMs: Math.max(0, measured.gatewayMs.median) },
    coldStart: {
      main: identifyStart(startsOf("main")),
      deviceMs: 0,
      experts: identifyStart(startsOf("experts")),
      parallel: parallelStarts,
    },
    spread: identifySpread({ ...known, contention }, measured),
  };
  return {
    profile,
    fits: [
      curveReport("remote.decode", "layer + rows · row", remote.decode),
      curveReport("remote.prefill", "experts · expert + rows · row", remote.prefill),
      curveReport("cpu.decode", "token", main.decode),
      curveReport("cpu.prefill", "prompt + tokens · token + experts · expert + rows · row", main.prefill),
      curveReport("split.decode", "token", split.decode),
      curveReport("split.prefill", "prompt + tokens · token", split.prefill),
      { name: "split.mixed", form: "max + contention · min", bounds: "0 to 1", relativeResidual },
      exponentialReport(remote, measured.shape.expertsPerToken),
    ],
  };
}

/** fixed + perMb · weights */
function identifyStart(starts: readonly StartPoint[]): StartTime {
  const [fixedMs, perMb] = nonNegativeLeastSquares(
    starts.map(({ weightMb, ms }) => [1 / ms, weightMb / ms]),
    starts.map(() => 1),
  ) as readonly [number, number];
  return { fixedMs, perMb };
}

function curveReport(name: string, form: string, { relativeResidual }: SpeedFit): FitReport {
  return { name, form, bounds: "not negative, never rising with processors", relativeResidual };
}

/** T̃(y) of a token's experts of a layer, all of them remote. 1 GiB is one processor. */
function exponentialReport({ times: { decodeLayer, decodeRow } }: IdentifiedExperts, k: number): FitReport {
  const [name, form] = ["remote.decode against memory", "θ1 · exp(−θ2 · GiB) + θ3"];
  const points = decodeLayer.vcpus.map((vcpus) => ({
    memory: vcpus,
    ms: timeAt(decodeLayer, vcpus) + k * timeAt(decodeRow, vcpus),
  }));
  try {
    const { theta1, theta2, theta3, relativeResidual } = fitExponential(name, points);
    return { name, form, bounds: "θ > 0", relativeResidual, parameters: { theta1, theta2, theta3 } };
  } catch (error) {
    if (isRemoeError(error) && error.code === "PROFILE_FIT_FAILED") return { name, form, failure: error.message };
    throw error;
  }
}

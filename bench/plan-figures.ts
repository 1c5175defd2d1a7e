import { isRemoeError } from "../src/core/errors.ts";
import type { CostProfile } from "../src/planner/cost-profile.ts";
import { evaluate, splitDevices } from "../src/planner/evaluate.ts";
import { type ExponentialFit, fitExponential, type TimedMemory } from "../src/planner/exponential-fit.ts";
import { mainNeedMb } from "../src/planner/memory-needs.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import { smallestSpec, toVcpus } from "../src/planner/specs.ts";
import { timeAt } from "../src/planner/speed-curve.ts";

/** Fig. 5: prefill and decode of one function with all experts (`mix`), in as little memory as holds it. */
export interface PhaseTimes {
  readonly shape: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

const PROMPTS = [32, 125, 512];
const OUTPUTS = [50, 200, 400];

export function phaseTimes(problem: PlanningProblem): PhaseTimes[] {
  return PROMPTS.flatMap((promptTokens) =>
    OUTPUTS.map((outputTokens) => ({
      shape: problem.sizes.name,
      promptTokens,
      outputTokens,
      ...wholeTimes({ ...problem, workload: { promptTokens, outputTokens } }),
    })),
  );
}

function wholeTimes(problem: PlanningProblem): Pick<PhaseTimes, "prefillMs" | "decodeMs"> {
  const devices = splitDevices(problem.profile);
  const memoryMb = smallestSpec(problem.specs.main, mainNeedMb(problem.sizes, devices, []));
  if (memoryMb === null) throw new RangeError(`no size holds ${problem.sizes.name}`);
  const { prefillMs, decodeMs } = evaluate(problem, { plan: { specMain: { memoryMb }, layers: [] }, devices });
  return { prefillMs, decodeMs };
}

/** Fig. 6: decode of one token's experts of a layer, all of them remote, against memory. */
export interface MemoryCurve {
  readonly model: string;
  readonly kind: CostProfile["kind"];
  readonly points: readonly TimedMemory[];
  /** θ2 as the paper found it on its own hardware; `null` for models it does not have. */
  readonly paperTheta2: number | null;
  /** Or why there is none. */
  readonly fit: ExponentialFit | { readonly failure: string };
}

/** By shape. */
const PAPER_THETA2: Readonly<Record<string, number>> = { "gpt2-moe": 11.8665, "deepseek-v2-lite": 2.4363 };

/** At all sizes that expert functions may have. */
export function modelledCurve({ profile, sizes, specs }: PlanningProblem): MemoryCurve {
  return memoryCurve(profile, { vcpus: specs.experts.map(toVcpus), expertsPerToken: sizes.expertsPerToken });
}

/** At the sizes that were measured. */
export function measuredCurve(profile: CostProfile, expertsPerToken: number): MemoryCurve {
  return memoryCurve(profile, { vcpus: profile.remote.decodeLayer.vcpus, expertsPerToken });
}

interface CurveOptions {
  readonly vcpus: readonly number[];
  readonly expertsPerToken: number;
}

function memoryCurve({ model, kind, remote }: CostProfile, { vcpus, expertsPerToken: k }: CurveOptions): MemoryCurve {
  const points = vcpus.map((at) => ({
    // 1 GiB is 1 virtual processor.
    memory: at,
    ms: timeAt(remote.decodeLayer, at) + k * timeAt(remote.decodeRow, at),
  }));
  return { model, kind, points, paperTheta2: PAPER_THETA2[model] ?? null, fit: fitted(model, points) };
}

function fitted(model: string, points: readonly TimedMemory[]): MemoryCurve["fit"] {
  try {
    return fitExponential(`decode of ${model}'s experts`, points);
  } catch (error) {
    if (isRemoeError(error) && error.code === "PROFILE_FIT_FAILED") return { failure: error.message };
    throw error;
  }
}

/** θ1 · exp(−θ2 · y) + θ3 */
export function fittedMs({ theta1, theta2, theta3 }: ExponentialFit, memory: number): number {
  return theta1 * Math.exp(-theta2 * memory) + theta3;
}

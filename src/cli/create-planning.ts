import { totalmem } from "node:os";
import type { Admission } from "../gateway/admission.ts";
import { BackgroundStarts } from "../gateway/background-starts.ts";
import type { Deployments } from "../gateway/deployments.ts";
import type { ModelProgram } from "../gateway/function-specs.ts";
import { RequestPlanning } from "../gateway/request-planning.ts";
import type { ProblemBase } from "../gateway/request-problem.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import type { Plan } from "../planner/plan.ts";
import type { ModelSizes, Slo, Specs } from "../planner/problem.ts";
import { remoe } from "../planner/remoe-planner.ts";
import { readModelSizes } from "../profile/model-sizes.ts";
import { readProfile } from "./read-profile.ts";

/** How plans are to be made. */
export interface PlanningChoice {
  /** Path of the measured profile. */
  readonly profile: string;
  readonly slo: Slo;
  readonly policy: "strict" | "best-effort";
  /** Whether functions serve many requests; else each plan counts its cold start as the request's own. */
  readonly reuse: boolean;
}

export interface PlanningContext {
  readonly file: GgufFile;
  readonly program: ModelProgram;
  readonly priceBook: PriceBook;
  readonly deployments: Deployments;
  readonly admission: Admission;
  readonly signal: AbortSignal;
}

/** @throws PROFILE_* */
export function createPlanning(choice: PlanningChoice, context: PlanningContext): RequestPlanning {
  const { deployments, signal } = context;
  const { policy, reuse } = choice;
  return new RequestPlanning({
    base: problemBase(choice, context),
    planner: remoe,
    deployments,
    backgroundStarts: createBackgroundStarts(context),
    policy,
    reuse,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    clock: () => performance.now(),
    signal,
  });
}

function createBackgroundStarts({ deployments, admission, signal }: PlanningContext): BackgroundStarts {
  const start = (plan: Plan) => deployments.start(plan, signal);
  const starts = new BackgroundStarts({ start, isIdle: () => admission.isIdle });
  // The last answer's end goes out first.
  admission.onIdle(() => setImmediate(() => void starts.proceed()));
  return starts;
}

/** @throws PROFILE_* */
export function problemBase(
  { profile, slo }: Pick<PlanningChoice, "profile" | "slo">,
  { file, program, priceBook }: Pick<PlanningContext, "file" | "program" | "priceBook">,
): ProblemBase {
  const { contextLength, parallel, processors } = program;
  const sizes = readModelSizes(file, { contextLength, parallel, threads: program.threads ?? processors });
  return {
    sizes,
    profile: readProfile(profile, sizes.name),
    prices: priceBook,
    specs: localSpecs(sizes, processors),
    slo,
  };
}

/** Specs come in whole multiples of this. */
const STEP_MB = 128;
const MB_PER_VCPU = 1024;
const MIB = 2 ** 20;

/** Sizes of functions on this machine: from what the model needs to what is there, or has use. */
function localSpecs(sizes: ModelSizes, processors: number): Specs {
  const { mainBaseMb, nonExpertMb, cacheMb, experts, expertMb, expertsBaseMb } = sizes;
  const allExpertsMb = experts * expertMb.reduce((a, b) => a + b, 0);
  const leastMain = mainBaseMb + nonExpertMb + cacheMb;
  const mostExperts = expertsBaseMb + experts * Math.max(...expertMb);
  return {
    main: multiples(leastMain, Math.max(leastMain + allExpertsMb, processors * MB_PER_VCPU)),
    experts: multiples(expertsBaseMb, Math.max(mostExperts, processors * MB_PER_VCPU)),
    maxReplicas: 1,
  };
}

function multiples(leastMb: number, mostMb: number): number[] {
  const machineMb = totalmem() / MIB;
  const first = Math.ceil(leastMb / STEP_MB);
  const last = Math.ceil(Math.min(mostMb, machineMb) / STEP_MB);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * STEP_MB);
}

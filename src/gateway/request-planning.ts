import { chooseCheapest } from "../planner/choose-cheapest.ts";
import { evaluate, splitDevices } from "../planner/evaluate.ts";
import type { Decision, Evaluation, Placement } from "../planner/evaluation.ts";
import { infeasible } from "../planner/infeasible.ts";
import type { Plan } from "../planner/plan.ts";
import type { Planner } from "../planner/planner.ts";
import type { PlanningProblem } from "../planner/problem.ts";
import { SloMargin } from "../planner/slo-margin.ts";
import { correctTimes, TimeCorrection, type TimeFactors } from "../planner/time-correction.ts";
import type { Deployments } from "./deployments.ts";
import type { Expectation } from "./learning.ts";
import { type CachedPlan, PlanCache } from "./plan-cache.ts";
import type {
  PlanCandidate,
  PlanChoice,
  PlanChooser,
  PlanQuery,
  PlanReasons,
  PlanSource,
  Predicted,
} from "./plan-choice.ts";
import { type ProblemBase, toProblem } from "./request-problem.ts";
import type { RequestTrace } from "./trace.ts";

export interface RequestPlanningOptions {
  readonly base: ProblemBase;
  readonly planner: Planner;
  readonly deployments: Pick<Deployments, "known" | "isWarm" | "warmPlans" | "start">;
  /** `strict`: a request whose objectives cannot be met fails; else it gets the plan that misses them least. */
  readonly policy: "strict" | "best-effort";
  /** Whether functions serve many requests: plans are then made for running ones, else for those of one request. */
  readonly reuse: boolean;
  /** Comes back when streams had their turn. */
  readonly pause: () => Promise<void>;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Aborts starts that no request waits for. */
  readonly signal: AbortSignal;
}

/** Requests that a plan serves before it is made anew; and before that happens because it misses an objective. */
const FRESH_USES = 100;
const FRESH_USES_IF_MISSING = 10;
/** Relative change of what tokens are taken to need. */
const NOTICEABLE = 0.2;
/** After a start in the background, none follows for so many times as long as it takes: starts slow down what runs. */
const REST = 10;

interface Candidate {
  readonly source: PlanSource;
  readonly isWarm: boolean;
  readonly placement: Placement;
  readonly evaluation: Evaluation;
}

/**
 * Chooses the plan of each request: the one planned for requests like it, or one whose functions are running if that
 * meets the objectives at lower expected cost. Requests that stay with running functions remember what they pay more
 * than with their own plan; when that comes to the price of its cold start, its functions are started for the next ones.
 */
export class RequestPlanning implements PlanChooser {
  readonly #options: RequestPlanningOptions;
  readonly #cache = new PlanCache();
  readonly #margin: SloMargin;
  readonly #correction = new TimeCorrection();
  /** When functions may next be started in the background. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  /** What the profile was corrected by when a choice was made. */
  readonly #correctedBy = new WeakMap<PlanReasons, TimeFactors>();

  constructor(options: RequestPlanningOptions) {
    this.#options = options;
    this.#margin = new SloMargin(options.base.profile.spread);
  }

  /**
   * Plans for a request that is yet to come, and starts its functions.
   * @throws PLAN_INFEASIBLE, what starting functions throws
   */
  async start(query: PlanQuery): Promise<Plan> {
    const { deployments, policy, signal } = this.#options;
    const problem = this.problemOf(query);
    const { planned, source } = await this.#plan(problem, query.expectation);
    const running = this.#candidate(problem, planned.plan, { source, isWarm: true });
    if (policy === "strict" && !isFeasible(running)) throw infeasible(problem, toDecision(running));
    await deployments.start(planned.plan, signal);
    return planned.plan;
  }

  async choose(query: PlanQuery, began: number): Promise<PlanChoice> {
    const { factors } = this.#correction;
    const asked = this.problemOf(query);
    const { planned, source } = await this.#plan(asked, query.expectation);
    const problem = delayed(asked, this.#options.clock() - began);
    const { deployments, policy } = this.#options;
    const warm = deployments.warmPlans().filter((plan) => plan !== planned.plan);
    const own = this.#candidate(problem, planned.plan, { source, isWarm: deployments.isWarm(planned.plan) });
    const candidates = [own, ...warm.map((plan) => this.#candidate(problem, plan, { source: "warm", isWarm: true }))];
    const chosen = chooseCheapest(candidates);
    if (policy === "strict" && !isFeasible(chosen)) throw infeasible(problem, toDecision(chosen));
    if (chosen !== own) this.#regret(planned, problem, { own, chosen });
    const reasons = toReasons(chosen, candidates);
    this.#correctedBy.set(reasons, factors);
    return { plan: chosen.placement.plan, reasons };
  }

  observe({ reasons }: PlanChoice, { timings, faults }: RequestTrace): void {
    if (reasons === null || faults.lostReplicas > 0 || faults.mainRestarts > 0) return;
    const { ttftMs, tpotMs, prefillMs } = reasons.predicted;
    const { prefill, decode } = this.#correctedBy.get(reasons) ?? this.#correction.factors;
    this.#correction.observe("prefill", { predictedMs: prefillMs / prefill, measuredMs: timings.prefillMs });
    this.#correction.observe("decode", { predictedMs: tpotMs / decode, measuredMs: timings.tpotMs ?? 0 });
    const measured = timings.ttftMs === null ? null : timings.ttftMs - timings.queueMs;
    if (measured !== null) this.#margin.observe("ttft", { predictedMs: ttftMs, measuredMs: measured });
    if (timings.tpotMs !== null) this.#margin.observe("tpot", { predictedMs: tpotMs, measuredMs: timings.tpotMs });
  }

  /** Of a request whose functions have to be started. */
  problemOf(query: PlanQuery): PlanningProblem {
    const { base } = this.#options;
    const profile = correctTimes(base.profile, this.#correction.factors);
    return toProblem({ ...base, profile }, query, this.#margin.current);
  }

  /** The plan of requests like this one. */
  async #plan(problem: PlanningProblem, expectation: Expectation | null) {
    const { forecast, group = null } = expectation ?? {};
    const key = { group, source: forecast?.source ?? "none", workload: problem.workload };
    const cached = this.#cache.find(key);
    if (cached !== null && !this.#isStale(cached, problem)) return { planned: cached, source: "cached" as const };
    const decision = await this.#decide(problem);
    if (decision === null) throw infeasible(problem, null);
    const plan = this.#options.deployments.known(decision.placement.plan);
    return { planned: this.#cache.add(key, { plan, slowness: this.#slowness() }), source: "new" as const };
  }

  /** After many requests, and sooner if it misses an objective that it may have met when it was made. */
  #isStale({ plan, uses, slowness }: CachedPlan, problem: PlanningProblem): boolean {
    if (uses >= FRESH_USES) return true;
    if (Math.abs(this.#slowness() / slowness - 1) < NOTICEABLE && uses < FRESH_USES_IF_MISSING) return false;
    return !isFeasible(this.#candidate(problem, plan, { source: "cached", isWarm: true }));
  }

  #slowness(): number {
    return this.#margin.current.tpot * this.#correction.factors.decode;
  }

  /** For running functions if they will be reused and their start meets the objective too. */
  async #decide(problem: PlanningProblem): Promise<Decision | null> {
    if (!this.#options.reuse) return await this.#steps(problem);
    const running = await this.#steps({ ...problem, isCold: false });
    if (running === null || evaluate(problem, running.placement).violations.length === 0) return running;
    const cold = await this.#steps(problem);
    return cold?.feasible === true ? cold : running;
  }

  async #steps(problem: PlanningProblem): Promise<Decision | null> {
    const steps = this.#options.planner.plan(problem);
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      await this.#options.pause();
    }
  }

  #candidate(
    problem: PlanningProblem,
    plan: Plan,
    { source, isWarm }: { readonly source: PlanSource; readonly isWarm: boolean },
  ): Candidate {
    const placement: Placement = { plan, devices: splitDevices(problem.profile) };
    const evaluation = evaluate({ ...problem, isCold: !isWarm }, placement);
    return { source, isWarm, placement, evaluation };
  }

  /** Starts its own functions when staying has cost as much as their start, or at once where staying misses an objective. */
  #regret(planned: CachedPlan, problem: PlanningProblem, { own, chosen }: { own: Candidate; chosen: Candidate }): void {
    const started = evaluate({ ...problem, isCold: false }, own.placement);
    if (started.violations.length > 0) return;
    planned.regret += Math.max(0, chosen.evaluation.cost - started.cost);
    const isWorthwhile = planned.regret > 0 && planned.regret >= own.evaluation.costs.coldStart;
    const now = this.#options.clock();
    if ((!isWorthwhile && isFeasible(chosen)) || now < this.#restsUntil) return;
    this.#restsUntil = now + REST * own.evaluation.coldStartMs;
    planned.regret = 0;
    // If it fails, requests that need it will say why.
    this.#options.deployments.start(planned.plan, this.#options.signal).catch(() => {});
  }
}

/** What went by before functions are acquired is part of the time to the first token. */
function delayed(problem: PlanningProblem, ms: number): PlanningProblem {
  const { profile } = problem;
  const overhead = { ...profile.overhead, gatewayMs: profile.overhead.gatewayMs + ms };
  return { ...problem, profile: { ...profile, overhead } };
}

function isFeasible({ evaluation }: Candidate): boolean {
  return evaluation.violations.length === 0;
}

function toDecision(candidate: Candidate): Decision {
  const { placement, evaluation } = candidate;
  return { placement, evaluation, feasible: isFeasible(candidate) };
}

function toReasons(chosen: Candidate, candidates: readonly Candidate[]): PlanReasons {
  return {
    source: chosen.source,
    predicted: toPredicted(chosen.evaluation),
    feasible: isFeasible(chosen),
    violations: chosen.evaluation.violations,
    candidates: candidates.map((candidate): PlanCandidate => {
      const { source, isWarm, placement, evaluation } = candidate;
      const { specMain, layers } = placement.plan;
      const remoteExperts = layers.reduce((sum, { remote }) => sum + remote.length, 0);
      const feasible = isFeasible(candidate);
      return { source, isWarm, mainMb: specMain.memoryMb, remoteExperts, feasible, ...toPredicted(evaluation) };
    }),
  };
}

function toPredicted({ ttftMs, tpotMs, prefillMs, coldStartMs, cost }: Evaluation): Predicted {
  return { ttftMs, tpotMs, prefillMs, coldStartMs, cost };
}

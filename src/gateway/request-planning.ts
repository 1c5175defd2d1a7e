import { Calibration } from "../planner/calibration.ts";
import { leastStartMs } from "../planner/cold-starts.ts";
import type { Margin } from "../planner/cost-profile.ts";
import { evaluate } from "../planner/evaluate.ts";
import type { Decision } from "../planner/evaluation.ts";
import { infeasible } from "../planner/infeasible.ts";
import type { Plan } from "../planner/plan.ts";
import { kindOf } from "../planner/plan-kind.ts";
import type { OrElse, Planner } from "../planner/planner.ts";
import type { PlanningProblem } from "../planner/problem.ts";
import type { TimeFactors } from "../planner/time-correction.ts";
import type { BackgroundStarts } from "./background-starts.ts";
import { type Candidate, chooseSteadily, isFeasible, toCandidate, toDecision, toReasons } from "./candidate.ts";
import type { Deployments } from "./deployments.ts";
import type { Expectation } from "./learning.ts";
import { type CachedPlan, type NewPlan, PlanCache, type PlanKey } from "./plan-cache.ts";
import type { PlanChoice, PlanChooser, PlanQuery, PlanSource } from "./plan-choice.ts";
import { type ProblemBase, toProblem } from "./request-problem.ts";
import { hadColdStart, type RequestTrace } from "./trace.ts";
import { WarmUps } from "./warm-ups.ts";

export interface RequestPlanningOptions {
  readonly base: ProblemBase;
  readonly planner: Planner;
  readonly deployments: Pick<Deployments, "known" | "isWarm" | "warmPlans" | "start">;
  /** Takes the starts that no request waits for. */
  readonly backgroundStarts: Pick<BackgroundStarts, "isUnderWay" | "want">;
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
/** Plans made beside the first start for nothing but the compiler; after about so many they take what they will. */
export const PRACTICE_PLANS = 5;
/**
 * What a margin is raised to so that it still holds when more is known. Two standard errors of what 39 normal logarithms,
 * the fewest that make a margin, tell: σ/√n · √(0.95 · 0.05)/φ(z) for their quantile z = 1.645, and σ/√n · √(π/2) for the
 * median that it is over; together half of zσ, which is the margin's own logarithm.
 */
const ROOM = 1.5;
/** What streams wait for at once. A plan is made in hundreds of steps, and each pause takes some ten microseconds. */
const TURN_MS = 1;
/** Relative change of what tokens are taken to need. */
const NOTICEABLE = 0.2;

/**
 * Chooses the plan of each request: the one planned for requests like it, or one whose functions are running if that
 * meets the objectives at lower expected cost. Requests that stay with running functions remember what they certainly
 * pay more than with their own plan; when that comes to the price of its cold start, its functions are started for the
 * next ones. Where making a plan would cost a request its first token's objective, it takes what runs.
 */
export class RequestPlanning implements PlanChooser {
  readonly #options: RequestPlanningOptions;
  readonly #cache = new PlanCache();
  readonly #calibration: Calibration;
  readonly #warmUps = new WarmUps();
  /** What the profile was corrected by when a choice was made that can be learnt from. */
  readonly #correctedBy = new WeakMap<PlanChoice, TimeFactors>();
  /** What is left to be planned when requests that could not wait for it have ended. */
  readonly #owing = new WeakMap<PlanChoice, { readonly key: PlanKey; readonly problem: PlanningProblem }>();
  #last: Plan | null = null;
  /** What the last plan took to be made. */
  #planMs = 0;

  constructor(options: RequestPlanningOptions) {
    this.#options = options;
    this.#calibration = new Calibration(options.base.profile);
  }

  /**
   * Plans for a request that is yet to come, and starts its functions.
   * @throws PLAN_INFEASIBLE, what starting functions throws
   */
  async start(query: PlanQuery): Promise<Plan> {
    const { deployments, policy, signal } = this.#options;
    const problem = this.problemOf(query);
    const key = keyOf(problem, query.expectation);
    const { planned, source } = await this.#plan(problem, key, this.#usable(key, problem));
    const running = toCandidate(problem, planned.plan, { source, isWarm: true });
    if (policy === "strict" && !isFeasible(running)) throw infeasible(problem, toDecision(running));
    const started = deployments.start(planned.plan, signal);
    await Promise.all([started, this.#practise(problem, started)]);
    this.#last = planned.plan;
    return planned.plan;
  }

  /**
   * Until the virtual machine has compiled what planning runs, a plan takes five times as long: not a request's. Ends with
   * the start beside it.
   */
  async #practise(problem: PlanningProblem, started: Promise<unknown>): Promise<void> {
    let isStarting = true;
    const end = (): void => {
      isStarting = false;
    };
    started.then(end, end);
    for (let plan = 0; plan < PRACTICE_PLANS && isStarting; plan++) await this.#makePlan(problem);
  }

  async choose(query: PlanQuery, began: number): Promise<PlanChoice> {
    const { backgroundStarts, clock } = this.#options;
    const { factors } = this.#calibration.current;
    const isAlone = !backgroundStarts.isUnderWay;
    const asked = this.problemOf(query);
    const key = keyOf(asked, query.expectation);
    const cached = this.#usable(key, asked);
    const hurried = cached === null ? this.#chooseAtOnce(delayed(asked, clock() - began), key) : null;
    const choice = hurried ?? (await this.#weigh(asked, { key, cached, began }));
    const { plan } = choice;
    // Beside a start it takes longer than others will.
    if (isAlone) this.#correctedBy.set(choice, factors[kindOf(plan)]);
    this.#last = plan;
    return choice;
  }

  /** Of its own plan and those whose functions run. */
  async #weigh(asked: PlanningProblem, { key, cached, began }: Weighing): Promise<PlanChoice> {
    const { deployments, policy, clock } = this.#options;
    const { planned, source } = await this.#plan(asked, key, cached);
    const problem = delayed(asked, clock() - began);
    const own = toCandidate(problem, planned.plan, { source, isWarm: deployments.isWarm(planned.plan) });
    const warm = this.#warmCandidates(problem).filter(({ placement }) => placement.plan !== planned.plan);
    const candidates = [own, ...warm];
    const chosen = chooseSteadily(candidates, this.#last);
    if (policy === "strict" && !isFeasible(chosen)) throw infeasible(problem, toDecision(chosen));
    if (chosen !== own) this.#regret(planned, problem, { own, chosen });
    return { plan: chosen.placement.plan, reasons: toReasons(chosen, candidates) };
  }

  /** A plan that runs, where making one would take what is left until the first token; it is made later, for the next. */
  #chooseAtOnce(problem: PlanningProblem, key: PlanKey): PlanChoice | null {
    if (problem.slo.ttftMs === null) return null;
    const candidates = this.#warmCandidates(problem);
    if (candidates.length === 0) return null;
    if (this.#options.policy === "strict" && !candidates.some(isFeasible)) return null;
    if (this.#warmCandidates(delayed(problem, this.#planMs)).some(isInTime)) return null;
    const chosen = chooseSteadily(candidates, this.#last);
    const choice = { plan: chosen.placement.plan, reasons: toReasons(chosen, candidates) };
    this.#owing.set(choice, { key, problem });
    return choice;
  }

  #warmCandidates(problem: PlanningProblem): Candidate[] {
    const warm = this.#options.deployments.warmPlans();
    return warm.map((plan) => toCandidate(problem, plan, { source: "warm", isWarm: true }));
  }

  /** Learns from requests that went as those to come will: with functions that run long enough, and no start beside. */
  observe(choice: PlanChoice, trace: RequestTrace): void {
    const { plan, reasons } = choice;
    this.#planOwed(choice);
    const isWarmedUp = this.#warmUps.isOver(plan);
    this.#warmUps.observe(plan, trace);
    const factors = this.#correctedBy.get(choice);
    if (reasons === null || factors === undefined || !isWarmedUp || !isUndisturbed(trace)) return;
    const { prefillMs, ttftMs, queueMs, predictMs, planMs, tpotMs } = trace.timings;
    this.#calibration.observe(kindOf(plan), {
      predicted: reasons.predicted,
      factors,
      delayMs: predictMs + planMs,
      prefillMs,
      ttftMs: ttftMs === null ? null : ttftMs - queueMs,
      tpotMs,
    });
  }

  /** Beside a request it would delay its tokens, which a gateway passes on with the same thread. */
  #planOwed(choice: PlanChoice): void {
    const owed = this.#owing.get(choice);
    if (owed === undefined) return;
    // What fails here is told to a request that waits for it.
    this.#cache.make(owed.key, () => this.#makePlan(owed.problem)).catch(() => {});
  }

  /** Of a request whose functions have to be started. */
  problemOf(query: PlanQuery): PlanningProblem {
    const { profile, margin } = this.#calibration.current;
    return toProblem({ ...this.#options.base, profile }, query, margin);
  }

  /** The plan of requests like this one, if there is a fresh one. */
  #usable(key: PlanKey, problem: PlanningProblem): CachedPlan | null {
    const cached = this.#cache.find(key);
    return cached === null || this.#isStale(cached, problem) ? null : cached;
  }

  async #plan(
    problem: PlanningProblem,
    key: PlanKey,
    cached: CachedPlan | null,
  ): Promise<{ readonly planned: CachedPlan; readonly source: PlanSource }> {
    if (cached !== null) return { planned: cached, source: "cached" };
    return { planned: await this.#cache.make(key, () => this.#makePlan(problem)), source: "new" };
  }

  async #makePlan(problem: PlanningProblem): Promise<NewPlan> {
    const { clock, deployments } = this.#options;
    const began = clock();
    const decision = await this.#decide(problem);
    this.#planMs = clock() - began;
    if (decision === null) throw infeasible(problem, null);
    const plan = deployments.known(decision.placement.plan);
    return { plan, slowness: this.#slowness(plan) };
  }

  /** After many requests, and sooner if it misses an objective that it may have met when it was made. */
  #isStale({ plan, uses, slowness }: CachedPlan, problem: PlanningProblem): boolean {
    if (uses >= FRESH_USES) return true;
    if (Math.abs(this.#slowness(plan) / slowness - 1) < NOTICEABLE && uses < FRESH_USES_IF_MISSING) return false;
    return !isFeasible(toCandidate(problem, plan, { source: "cached", isWarm: true }));
  }

  #slowness(plan: Plan): number {
    const { margin, factors } = this.#calibration.current;
    const kind = kindOf(plan);
    return margin[kind].tpot * factors[kind].decode;
  }

  /** For running functions if they will be reused and their start meets the objective too, or no start does. */
  async #decide(problem: PlanningProblem): Promise<Decision | null> {
    if (!this.#options.reuse) return await this.#steps(problem);
    const running = await this.#lastingPlan({ ...problem, isCold: false });
    // What misses an objective without a start misses it with one.
    if (running?.feasible !== true || !mayStartInTime(problem)) return running;
    if (evaluate(problem, running.placement).violations.length === 0) return running;
    const cold = await this.#steps(problem, "nothing");
    return cold?.feasible === true ? cold : running;
  }

  /** With room for margins to grow as they are learnt, if there is such a plan: a start has to last. */
  async #lastingPlan(problem: PlanningProblem): Promise<Decision | null> {
    const { unsplit, split } = problem.margin;
    const margin = { unsplit: withRoom(unsplit), split: withRoom(split) };
    const lasting = await this.#steps({ ...problem, margin }, "nothing");
    return lasting?.feasible === true ? lasting : await this.#steps(problem);
  }

  async #steps(problem: PlanningProblem, orElse: OrElse = "nearest"): Promise<Decision | null> {
    const { clock, pause, planner } = this.#options;
    const steps = planner.plan(problem, orElse);
    let began = clock();
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      if (clock() - began < TURN_MS) continue;
      await pause();
      began = clock();
    }
  }

  /**
   * Has its own functions started when staying has certainly cost as much as their start, or at once where staying misses
   * an objective.
   */
  #regret(planned: CachedPlan, problem: PlanningProblem, { own, chosen }: { own: Candidate; chosen: Candidate }): void {
    const started = toCandidate(problem, planned.plan, { source: own.source, isWarm: true });
    if (!isFeasible(started)) return;
    planned.regret += Math.max(0, chosen.evaluation.cost - started.mostCost);
    const isWorthwhile = planned.regret > 0 && planned.regret >= own.evaluation.costs.coldStart;
    if (!isWorthwhile && isFeasible(chosen)) return;
    planned.regret = 0;
    this.#options.backgroundStarts.want(planned.plan);
  }
}

interface Weighing {
  readonly key: PlanKey;
  readonly cached: CachedPlan | null;
  readonly began: number;
}

function keyOf({ workload }: PlanningProblem, expectation: Expectation | null): PlanKey {
  const { forecast, group = null } = expectation ?? {};
  return { group, source: forecast?.source ?? "none", workload };
}

/** Whether its first token comes in time, whatever the others do. */
function isInTime({ evaluation }: Candidate): boolean {
  return evaluation.violations.every(({ objective }) => objective !== "ttft");
}

/** Whether a plan may meet the objective of the first token with a start of its functions. */
function mayStartInTime(problem: PlanningProblem): boolean {
  const { slo, margin, profile } = problem;
  const leastMs =
    Math.min(margin.unsplit.ttft, margin.split.ttft) * (profile.overhead.gatewayMs + leastStartMs(problem));
  return slo.ttftMs === null || leastMs <= slo.ttftMs;
}

/** What went by before functions are acquired is part of the time to the first token. */
function delayed(problem: PlanningProblem, ms: number): PlanningProblem {
  const { profile } = problem;
  const overhead = { ...profile.overhead, gatewayMs: profile.overhead.gatewayMs + ms };
  return { ...problem, profile: { ...profile, overhead } };
}

function withRoom({ ttft, tpot }: Margin): Margin {
  return { ttft: ttft ** ROOM, tpot: tpot ** ROOM };
}

function isUndisturbed(trace: RequestTrace): boolean {
  const { lostReplicas, mainRestarts } = trace.faults;
  const isWhole = trace.finishReason === "stop" || trace.finishReason === "length";
  return isWhole && lostReplicas === 0 && mainRestarts === 0 && !hadColdStart(trace);
}

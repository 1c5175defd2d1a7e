import type { Plan } from "../planner/plan.ts";
import { hadColdStart, type RequestTrace } from "./trace.ts";

/**
 * Until then functions are slower: the virtual machine compiles what runs often, and caches fill. Tokens count for small
 * models; large ones compute so long for each that compiling is over after few of them.
 */
const WARM_UP_TOKENS = 100;
const WARM_UP_MS = 2_000;

/** What functions did since the last start of any of them. */
interface Work {
  readonly tokens: number;
  readonly ms: number;
}

const NONE: Work = { tokens: 0, ms: 0 };

/** How long plans' functions have worked since they were started. */
export class WarmUps {
  readonly #work = new WeakMap<Plan, Work>();

  /** Whether a plan's functions are as fast as they will be. */
  isOver(plan: Plan): boolean {
    const { tokens, ms } = this.#work.get(plan) ?? NONE;
    return tokens >= WARM_UP_TOKENS || ms >= WARM_UP_MS;
  }

  observe(plan: Plan, trace: RequestTrace): void {
    const isNew = hadColdStart(trace) || trace.faults.mainRestarts > 0;
    const { tokens, ms } = (isNew ? undefined : this.#work.get(plan)) ?? NONE;
    const { prefillMs, decodeMs } = trace.timings;
    this.#work.set(plan, { tokens: tokens + trace.completionTokens, ms: ms + prefillMs + decodeMs });
  }
}

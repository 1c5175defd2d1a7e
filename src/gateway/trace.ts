import type { ErrorCode } from "../core/errors.ts";
import type { DoneEvent, FaultCounts } from "../functions/protocol.ts";
import type { ColdStart } from "../functions/spec.ts";
import type { Bill } from "../ledger/bill.ts";
import type { Plan } from "../planner/plan.ts";
import type { PredictionOutcome } from "./learning.ts";
import type { PlanReasons } from "./plan-choice.ts";

/** Milliseconds of a request, all seen from the gateway unless stated. */
export interface RequestTimings {
  /** Waited for a free place in the gateway and, as it reports itself, in the main function. */
  readonly queueMs: number;
  /** Prediction of expert activations; 0 where nothing is predicted. */
  readonly predictMs: number;
  /** Planning; 0 where nothing is planned. */
  readonly planMs: number;
  /** Waited for the main function to start; next to nothing when it was warm. */
  readonly coldStartMs: number;
  /** Measured in the main function; from the gateway's side when the generation was cut short. */
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Arrival until the first token; `null` when there was none. */
  readonly ttftMs: number | null;
  /** Mean time between tokens, the longer of: as they came, as the main function made them. `null` with fewer than two. */
  readonly tpotMs: number | null;
  readonly totalMs: number;
}

/** How a request ended: `stop` and `length` with a whole answer, the others without. */
export type RequestOutcome = DoneEvent["finishReason"] | "error";

/** The one record of a request. Bill, metrics, access log, `--json` and `x_remoe` all print from it. */
export interface RequestTrace {
  readonly requestId: string;
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly finishReason: RequestOutcome;
  /** Set exactly when `finishReason` is `error`; `null` also for errors outside the catalogue. */
  readonly errorCode: ErrorCode | null;
  readonly timings: RequestTimings;
  /** The start of the main function, if this request was the first to use it. */
  readonly coldStart: ColdStart | null;
  /** What the main function counted; `null` when it had no chance to say (killed, failed). */
  readonly experts: DoneEvent["experts"] | null;
  readonly activations: DoneEvent["activations"] | null;
  /** How the prediction of the prompt's activations turned out; `null` where nothing was predicted. */
  readonly prediction: PredictionOutcome | null;
  /** Where the experts were; `null` for requests that ended before that was decided. */
  readonly plan: Plan | null;
  /** Why they were there; `null` where the plan was given. */
  readonly planning: PlanReasons | null;
  /** Losses on the way that the answer does not show. */
  readonly faults: FaultCounts & { readonly mainRestarts: number };
  /** Most memory of the main function's process so far, in MiB; `null` when it did not say. */
  readonly peakMemoryMb: number | null;
  readonly bill: Bill;
}

/** Whether any function was started for a request, or before it for nobody else. */
export function hadColdStart({ bill }: Pick<RequestTrace, "bill">): boolean {
  return bill.items.some(({ phase }) => phase === "cold-start");
}

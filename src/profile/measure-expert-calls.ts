import { spread } from "../core/stats.ts";
import type { HyperParameters } from "../model/architecture.ts";
import { connectExperts } from "../wire/connect-experts.ts";
import type { ConnectOptions } from "../wire/connect-options.ts";
import type { ExpertCall, ExpertConnection } from "../wire/expert-call.ts";
import { type CallShape, callShapes, shapeRows, shapeTokens, toCall } from "./call-shapes.ts";
import type { Effort } from "./effort.ts";
import type { BenchExperts } from "./function-bench.ts";
import type { ExpertCallPoint, TransferPoint } from "./measurements.ts";
import { repeat } from "./repeat.ts";

export interface ExpertCallOptions {
  readonly connection: Pick<ConnectOptions, "secret" | "fingerprint" | "hidden">;
  readonly hyper: HyperParameters;
  readonly effort: Effort;
  readonly clock: () => number;
  readonly signal: AbortSignal;
}

export interface ExpertCallPoints {
  readonly calls: readonly ExpertCallPoint[];
  readonly transfers: readonly TransferPoint[];
  /** Most bytes of a call. */
  readonly payloadLimit: number;
}

/** A prefill of a large model with a small share of a processor may take this long. */
const DEADLINE_MS = 300_000;
/** Calls are short and there are many kinds of them. */
const BUDGET_SHARE = 0.25;

/** Calls to an expert function from this process: how long it is busy with them, and what their way takes. */
export async function measureExpertCalls(
  { lease, remote, vcpus }: BenchExperts,
  options: ExpertCallOptions,
): Promise<ExpertCallPoints> {
  const { hyper, effort } = options;
  const connection = connectExperts(lease.endpoint, options.connection);
  const selection = remote.replicas[0]?.experts ?? [];
  const layers = [...selection.keys()].filter((layer) => selection[layer]?.length === hyper.experts);
  const calls: ExpertCallPoint[] = [];
  const transfers: TransferPoint[] = [];
  try {
    const [first, ...others] = callShapes(hyper);
    // The first of them twice: what runs in every call is compiled then.
    for (const shape of [first, first, ...others]) {
      const times = await repeat(
        (round) =>
          timedCall(connection, toCall(shape, { hyper, layer: layers[round % layers.length] ?? 0, round }), options),
        { ...effort, budgetMs: BUDGET_SHARE * effort.budgetMs },
        options.clock,
      );
      calls.push(toPoint(shape, vcpus, times));
      transfers.push({ hiddenStates: shapeRows(shape) + shapeTokens(shape, hyper), ms: spread(times.map(wayMs)) });
    }
    return { calls: calls.slice(1), transfers: transfers.slice(1), payloadLimit: connection.payloadLimit };
  } finally {
    connection.close();
  }
}

interface CallTimes {
  readonly totalMs: number;
  readonly busyMs: number;
}

async function timedCall(
  connection: ExpertConnection,
  call: ExpertCall,
  { clock, signal }: Pick<ExpertCallOptions, "clock" | "signal">,
): Promise<CallTimes> {
  const began = clock();
  const { busyMs } = await connection.call(call, { deadlineMs: DEADLINE_MS, signal });
  return { totalMs: clock() - began, busyMs };
}

function wayMs({ totalMs, busyMs }: CallTimes): number {
  return totalMs - busyMs;
}

function toPoint(shape: CallShape, vcpus: number, times: readonly CallTimes[]): ExpertCallPoint {
  const { kernel, experts } = shape;
  return { kernel, vcpus, experts, rows: shapeRows(shape), ms: spread(times.map(({ busyMs }) => busyMs)) };
}

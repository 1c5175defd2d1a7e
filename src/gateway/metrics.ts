import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Admission } from "./admission.ts";
import { type FunctionMetricsOptions, registerFunctionMetrics } from "./function-metrics.ts";
import type { RequestTrace } from "./trace.ts";

export interface Metrics {
  readonly contentType: string;
  /** One finished HTTP request; `route` is a pattern of ours, never what the client sent. */
  countRequest(route: string, status: number): void;
  observeTrace(trace: RequestTrace): void;
  /** The text that Prometheus scrapes. */
  render(): Promise<string>;
  /** Stops watching the platforms. */
  close(): void;
}

export interface MetricsOptions extends FunctionMetricsOptions {
  readonly version: string;
  /** Every model's admission, read at each scrape. */
  readonly admissions: readonly Admission[];
}

/** Prompts take seconds, warm tokens milliseconds, cold starts up to minutes. */
const LATENCY_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const TOKEN_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** The metrics of one gateway in a registry of their own. Names follow vLLM's nouns, so that its dashboards port. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  registerGauges(registry, options);
  const meters = registerMeters(registry);
  const functions = registerFunctionMetrics(registry, options);
  return {
    contentType: registry.contentType,
    countRequest: (route, status) => meters.requests.inc({ route, status }),
    observeTrace: (trace) => {
      observeTrace(meters, trace);
      functions.addBill(trace.bill);
    },
    render: () => registry.metrics(),
    close: () => functions.close(),
  };
}

type Meters = ReturnType<typeof registerMeters>;

function registerMeters(registry: Registry) {
  const registers = [registry];
  const latency = (name: string, help: string, buckets = LATENCY_BUCKETS) =>
    new Histogram({ name: `remoe_${name}_seconds`, help, buckets, registers });
  const counter = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: `remoe_${name}_total`, help, labelNames, registers });
  return {
    requests: counter("requests", "Finished HTTP requests.", ["route", "status"]),
    promptTokens: counter("prompt_tokens", "Tokens of accepted prompts."),
    generationTokens: counter("generation_tokens", "Generated tokens."),
    expertRows: counter("expert_rows", "Routed (token, expert) rows, by where they were computed.", ["place"]),
    faults: counter("faults", "Failures of functions during requests, and what was done about them.", ["kind"]),
    ttft: latency("time_to_first_token", "Arrival of a request until its first token."),
    tpot: latency("time_per_output_token", "Mean time between a request's tokens.", TOKEN_BUCKETS),
    queue: latency("request_queue", "Time a completed request waited for a free place."),
    total: latency("e2e_request_latency", "Arrival of a request until its whole answer."),
    coldStart: latency("cold_start", "Start of a main function, from its spawn until it is ready."),
  };
}

function observeTrace(meters: Meters, { timings, experts, faults, ...trace }: RequestTrace): void {
  meters.promptTokens.inc(trace.promptTokens);
  meters.generationTokens.inc(trace.completionTokens);
  meters.expertRows.inc({ place: "local" }, experts?.localRows ?? 0);
  meters.expertRows.inc({ place: "remote" }, experts?.remoteRows ?? 0);
  meters.faults.inc({ kind: "failed_call" }, faults.failedCalls);
  meters.faults.inc({ kind: "hedged_call" }, faults.hedgedCalls);
  meters.faults.inc({ kind: "lost_replica" }, faults.lostReplicas);
  meters.faults.inc({ kind: "adopted_expert" }, faults.adoptedExperts);
  meters.faults.inc({ kind: "main_restart" }, faults.mainRestarts);
  observeMs(meters.ttft, timings.ttftMs);
  observeMs(meters.tpot, timings.tpotMs);
  observeMs(meters.coldStart, trace.coldStart?.totalMs ?? null);
  if (trace.finishReason === "stop" || trace.finishReason === "length") {
    observeMs(meters.queue, timings.queueMs);
    observeMs(meters.total, timings.totalMs);
  }
}

function registerGauges(registry: Registry, { version, admissions }: MetricsOptions): void {
  const registers = [registry];
  const sum = (count: (admission: Admission) => number) =>
    admissions.reduce((total, admission) => total + count(admission), 0);
  new Gauge({
    name: "remoe_requests_running",
    help: "Requests that have a main function.",
    registers,
    collect() {
      this.set(sum(({ running }) => running));
    },
  });
  new Gauge({
    name: "remoe_requests_waiting",
    help: "Requests in the queue.",
    registers,
    collect() {
      this.set(sum(({ waiting }) => waiting));
    },
  });
  new Gauge({ name: "remoe_build_info", help: "Always 1.", labelNames: ["version"], registers }).set({ version }, 1);
}

function observeMs(histogram: Histogram, milliseconds: number | null): void {
  if (milliseconds !== null) {
    histogram.observe(milliseconds / 1000);
  }
}

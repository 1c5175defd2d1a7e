import { KNATIVE_SERVICE, type KnativeService, type RevisionSpec } from "../../kubernetes/knative-service.ts";
import type { FunctionSpec } from "../platform.ts";
import { functionContainer } from "./function-container.ts";
import { describeFunction, type FunctionObjectOptions, RUN_AS, surroundFunction } from "./function-object.ts";

export interface FunctionServiceOptions extends FunctionObjectOptions {
  /** How long Knative may take to start it. */
  readonly startTimeoutMs: number;
  /** How long gateways keep functions that have nothing to do. */
  readonly keepAliveMs: number;
}

/** None of those that Knative's own containers take. */
const PORT = 8080;
/** Knative's own limit, unless it was raised. */
const LONGEST_ANSWER_S = 600;
/** A generation and what steers it, or the parts of a large call; Knative queues ten times as many. */
const REQUESTS_OF_A_LEASE = 8;
/** As Knative has it. */
const MOST_CONCURRENCY = 1_000;
const LONGEST_RETENTION_S = 3_600;

/**
 * The Service of a function: one instance behind an address of its own. While nobody calls it for long, it has no pod, and
 * the next call brings one back: what a lost gateway leaves behind costs nothing. A gateway that lives removes the Services
 * it does not need.
 */
export function functionService(spec: FunctionSpec, options: FunctionServiceOptions): KnativeService {
  const metadata = describeFunction(spec, options);
  return {
    ...KNATIVE_SERVICE,
    metadata: { ...metadata, labels: { ...metadata.labels, "networking.knative.dev/visibility": "cluster-local" } },
    spec: {
      template: {
        metadata: { labels: metadata.labels, annotations: { ...metadata.annotations, ...scaling(options) } },
        spec: revision(spec, options),
      },
    },
  };
}

function scaling({ startTimeoutMs, keepAliveMs }: FunctionServiceOptions): Readonly<Record<string, string>> {
  return {
    "autoscaling.knative.dev/min-scale": "0",
    // A second pod would be an instance that nobody counts.
    "autoscaling.knative.dev/max-scale": "1",
    "autoscaling.knative.dev/initial-scale": "1",
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period": seconds(
      Math.min(keepAliveMs, 1000 * LONGEST_RETENTION_S),
    ),
    "serving.knative.dev/progress-deadline": seconds(startTimeoutMs),
  };
}

function revision(spec: FunctionSpec, options: FunctionServiceOptions): RevisionSpec {
  const { securityContext, ...container } = functionContainer(spec, START, options);
  const concurrency = REQUESTS_OF_A_LEASE * spec.concurrency;
  return {
    ...surroundFunction(options.settings),
    containers: [
      {
        ...container,
        ports: [{ name: "http1", containerPort: PORT, protocol: "TCP" }],
        // The port is the one above; Kubernetes' own types insist on naming it.
        readinessProbe: { httpGet: { path: "/readyz" } as never },
        // Knative takes none of a pod.
        securityContext: { ...RUN_AS, ...securityContext },
      },
    ],
    containerConcurrency: concurrency > MOST_CONCURRENCY ? 0 : concurrency,
    timeoutSeconds: LONGEST_ANSWER_S,
  };
}

const START = { listen: `http://0.0.0.0:${PORT}`, control: null };

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)}s`;
}

import type { ControlStart } from "../../functions/spec.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import type { FunctionSpec } from "../platform.ts";
import { functionContainer } from "./function-container.ts";
import { describeFunction, type FunctionObjectOptions, RUN_AS, surroundFunction } from "./function-object.ts";

/** Where a function serves. */
export const FUNCTION_PORT = 7070;
/** Where its gateway and probes reach its control server. */
export const CONTROL_PORT = 7071;

/** What running work has when somebody else deletes the pod, or its node is drained. */
const DRAIN_S = 60;
const TERMINATION_LOG = "/dev/termination-log";
const CONTROL: ControlStart = {
  listen: `tcp://0.0.0.0:${CONTROL_PORT}`,
  /** How long a function goes on without its gateway. */
  graceMs: 30_000,
  failureFile: TERMINATION_LOG,
};

/** The pod of a function: it can compute and read its model, nothing else. */
export function functionPod(spec: FunctionSpec, options: FunctionObjectOptions): Pod {
  const start = { listen: `tcp://0.0.0.0:${FUNCTION_PORT}`, control: CONTROL };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: describeFunction(spec, options),
    spec: {
      ...surroundFunction(options.settings),
      restartPolicy: "Never",
      terminationGracePeriodSeconds: DRAIN_S,
      securityContext: RUN_AS,
      containers: [
        {
          ...functionContainer(spec, start, options),
          ports: [
            { name: "function", containerPort: FUNCTION_PORT, protocol: "TCP" },
            { name: "control", containerPort: CONTROL_PORT, protocol: "TCP" },
          ],
          // For people and tools; the gateway hears of it first. None for liveness: a function that computes answers late.
          readinessProbe: { httpGet: { path: "/readyz", port: CONTROL_PORT }, periodSeconds: 5 },
          terminationMessagePath: TERMINATION_LOG,
        },
      ],
    },
  };
}

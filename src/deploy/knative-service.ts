import type { V1Container, V1PodSpec } from "@kubernetes/client-node";
import { remoeError } from "../core/errors.ts";
import { KNATIVE_SERVICE, type KnativeService, type RevisionSpec } from "../kubernetes/knative-service.ts";
import type { Plain } from "../kubernetes/plain.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { renderGatewayPod } from "./gateway-pod.ts";
import type { Keys } from "./keys.ts";
import { describeObject, type ManifestOf } from "./manifest.ts";
import { GATEWAY_PORT } from "./networking.ts";

/** Knative's own limit, unless it was raised: longer streams are cut. */
const LONGEST_REQUEST_S = 600;

/**
 * The gateways as a Service of Knative, which routes to them and adds some under load; their functions are others, which
 * they make. The cluster has to allow what Knative by itself does not: `kubernetes.podspec-fieldref`, by which a gateway
 * knows its pod.
 * @throws DEPLOY_INVALID
 */
export function renderKnativeService(options: DeployOptions, keys: Keys | null): ManifestOf<KnativeService> {
  const { name, replicas, serviceType } = options;
  const problem = findProblem(options);
  if (problem !== null) throw remoeError("DEPLOY_INVALID", { name, problem });
  const { metadata, spec } = renderGatewayPod(options, keys);
  const { metadata: described, ...object } = describeObject(KNATIVE_SERVICE, options, { component: "gateway" });
  const visibility = serviceType === "ClusterIP" ? { "networking.knative.dev/visibility": "cluster-local" } : {};
  return {
    ...object,
    metadata: { ...described, labels: { ...described.labels, ...visibility } },
    spec: {
      template: {
        metadata: {
          labels: metadata?.labels,
          annotations: {
            ...metadata?.annotations,
            // A gateway holds its functions warm: without it each request would wait for both.
            "autoscaling.knative.dev/min-scale": String(replicas),
            "serving.knative.dev/progress-deadline": `${LONGEST_REQUEST_S}s`,
          },
        },
        spec: { ...toRevisionSpec(spec as Plain<V1PodSpec>), ...options.gateway },
      },
    },
  };
}

function findProblem({ serviceType, functions: { modelVolume } }: DeployOptions): string | null {
  if (serviceType === "NodePort") return "Knative has no node ports";
  if (modelVolume === undefined || modelVolume.source.persistentVolumeClaim !== undefined) return null;
  return `Knative mounts no volume of the kind ${Object.keys(modelVolume.source).join()}; use a claim, or a model by URL`;
}

/**
 * What Knative takes of a pod: its own affinity and end of life, one port, no wish for a token and no security context but
 * containers'.
 */
function toRevisionSpec(spec: Plain<V1PodSpec>): RevisionSpec {
  const { terminationGracePeriodSeconds: _grace, affinity: _affinity, ...others } = spec;
  const { automountServiceAccountToken: _token, securityContext, ...rest } = others;
  const { fsGroup: _group, ...user } = securityContext ?? {};
  const containers = rest.containers.map((container) => toRevisionContainer(container, user));
  // The gateway has a queue of its own, and says when it is full.
  return { ...rest, containers, containerConcurrency: 0, timeoutSeconds: LONGEST_REQUEST_S };
}

/** Without probes of liveness: none would wait for functions that load a large model. */
function toRevisionContainer(
  container: Plain<V1Container>,
  user: NonNullable<Plain<V1Container>["securityContext"]>,
): Plain<V1Container> {
  const { startupProbe: _startup, livenessProbe: _liveness, readinessProbe, securityContext, ...rest } = container;
  return {
    ...rest,
    ports: [{ name: "http1", containerPort: GATEWAY_PORT, protocol: "TCP" }],
    // The port is the one above; Kubernetes' own types insist on naming it.
    readinessProbe: readinessProbe && { ...readinessProbe, httpGet: { path: "/readyz" } as never },
    securityContext: { ...user, ...securityContext },
  };
}

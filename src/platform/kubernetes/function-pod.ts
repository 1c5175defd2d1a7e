import { absoluteModel } from "../../functions/absolute-model.ts";
import type { ControlStart, FunctionStart } from "../../functions/spec.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import {
  commonLabels,
  FUNCTION_ANNOTATION,
  GATEWAY_LABEL,
  ROLE_LABEL,
  SPEC_ANNOTATION,
} from "../../kubernetes/labels.ts";
import { FUNCTION_USER } from "../docker/image.ts";
import { NODE, PROGRAM } from "../docker/image-files.ts";
import { functionCommand } from "../function-command.ts";
import type { FunctionSpec } from "../platform.ts";
import { createSpecKeys } from "../spec-key.ts";
import type { KubernetesSettings } from "./settings.ts";

/** Where a function serves. */
export const FUNCTION_PORT = 7070;
/** Where its gateway and probes reach its control server. */
export const CONTROL_PORT = 7071;
/** In the Secret of the functions: what they share with the gateway. */
export const SECRET_KEY = "function-secret";
/** In the same Secret, if the model is behind a URL that asks for a token. */
export const MODEL_TOKEN_KEY = "model-token";

/** How long a function goes on without its gateway. */
const LIFELINE_GRACE_MS = 30_000;
/** What running work has when somebody else deletes the pod, or its node is drained. */
const DRAIN_S = 60;
const TERMINATION_LOG = "/dev/termination-log";
const MIB = 2 ** 20;
const LEAST_MILLICPU = 1;

type PodSpec = NonNullable<Pod["spec"]>;
type Container = PodSpec["containers"][number];
export type OwnerReference = NonNullable<NonNullable<Pod["metadata"]>["ownerReferences"]>[number];

export interface FunctionPodOptions {
  readonly name: string;
  readonly settings: KubernetesSettings;
  /** Of the Secret with {@link SECRET_KEY} and, if there is one, {@link MODEL_TOKEN_KEY}. */
  readonly secretName: string;
  /** Whose function it is: value of the label. */
  readonly gateway: string;
  /** When it is gone, the pod goes. */
  readonly owner: OwnerReference;
  /** Further variables of the functions' environment. */
  readonly environment: Readonly<Record<string, string>>;
}

const keyOf = createSpecKeys();

/** The pod of a function: it can compute and read its model, nothing else. */
export function functionPod(spec: FunctionSpec, options: FunctionPodOptions): Pod {
  const { name, settings, gateway, owner } = options;
  const { labels } = settings;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      labels: {
        ...commonLabels("remoe", "function"),
        ...labels,
        [ROLE_LABEL]: spec.program.role,
        [GATEWAY_LABEL]: gateway,
      },
      annotations: { [FUNCTION_ANNOTATION]: spec.name, [SPEC_ANNOTATION]: keyOf(spec).slice(0, 16) },
      ownerReferences: [owner],
    },
    spec: podSpec(spec, options),
  };
}

function podSpec(spec: FunctionSpec, options: FunctionPodOptions): PodSpec {
  const { settings } = options;
  const { imagePullSecrets, modelVolume, serviceAccountName, nodeSelector, tolerations, affinity } = settings;
  const { priorityClassName, topologySpreadConstraints, runtimeClassName } = settings;
  return {
    containers: [container(spec, options)],
    restartPolicy: "Never",
    terminationGracePeriodSeconds: DRAIN_S,
    automountServiceAccountToken: false,
    // One variable for each service of the namespace would be a function's environment's greater part.
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: FUNCTION_USER,
      runAsGroup: FUNCTION_USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(modelVolume && { volumes: [{ name: "model", ...modelVolume.source }] }),
    ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    ...{ serviceAccountName, nodeSelector, tolerations, affinity },
    ...{ priorityClassName, topologySpreadConstraints, runtimeClassName },
  };
}

function container(spec: FunctionSpec, options: FunctionPodOptions): Container {
  const { image, imagePullPolicy, modelVolume } = options.settings;
  const [, ...args] = functionCommand(PROGRAM);
  const resources = resourcesOf(spec, options.settings);
  return {
    name: "function",
    image,
    imagePullPolicy,
    command: [NODE],
    args,
    env: environment(spec, options),
    ports: [
      { name: "function", containerPort: FUNCTION_PORT, protocol: "TCP" },
      { name: "control", containerPort: CONTROL_PORT, protocol: "TCP" },
    ],
    // Equal, so that a function gets what it is billed for, and no other pod's need takes it away.
    resources: { requests: resources, limits: resources },
    // For people and tools; the gateway hears of it first. None for liveness: a function that computes answers late.
    readinessProbe: { httpGet: { path: "/readyz", port: CONTROL_PORT }, periodSeconds: 5 },
    terminationMessagePath: TERMINATION_LOG,
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    ...(modelVolume && { volumeMounts: [modelMount(modelVolume)] }),
  };
}

function resourcesOf({ memoryMb, vcpus, program }: FunctionSpec, { gpuResource }: KubernetesSettings) {
  const usesDevice = program.role === "main" && program.device !== null;
  return {
    memory: String(Math.floor(memoryMb * MIB)),
    cpu: `${Math.max(LEAST_MILLICPU, Math.round(vcpus * 1000))}m`,
    ...(usesDevice && { [gpuResource ?? "nvidia.com/gpu"]: "1" }),
  };
}

function environment(spec: FunctionSpec, { secretName, environment: further }: FunctionPodOptions) {
  const { name, memoryMb, vcpus } = spec;
  const control: ControlStart = {
    listen: `tcp://0.0.0.0:${CONTROL_PORT}`,
    graceMs: LIFELINE_GRACE_MS,
    failureFile: TERMINATION_LOG,
  };
  // A relative path would lead elsewhere in another container.
  const program = { ...spec.program, model: absoluteModel(spec.program.model) };
  const listen = `tcp://0.0.0.0:${FUNCTION_PORT}`;
  // Everyone who may see pods can read this; the secret comes from its own object.
  const start: Omit<FunctionStart, "secret"> = { name, program, memoryMb, vcpus, listen, control };
  const plain = {
    REMOE_FUNCTION: JSON.stringify(start),
    // Reads, repacking and prefill lanes run on libuv's pool, whose size is fixed before the function's first line.
    UV_THREADPOOL_SIZE: String(Math.max(8, 2 * Math.ceil(vcpus))),
    ...further,
  };
  const fromSecret = (key: string, optional: boolean) => ({ secretKeyRef: { name: secretName, key, optional } });
  return [
    ...Object.entries(plain).map(([variable, value]) => ({ name: variable, value })),
    { name: "REMOE_FUNCTION_SECRET", valueFrom: fromSecret(SECRET_KEY, false) },
    { name: "REMOE_MODEL_TOKEN", valueFrom: fromSecret(MODEL_TOKEN_KEY, true) },
  ];
}

function modelMount({ mountPath, subPath }: NonNullable<KubernetesSettings["modelVolume"]>) {
  return { name: "model", mountPath, subPath, readOnly: true };
}

import { createHash } from "node:crypto";
import type {
  V1Container,
  V1EnvVar,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Volume,
  V1VolumeMount,
} from "@kubernetes/client-node";
import { commonLabels } from "../kubernetes/labels.ts";
import type { Plain } from "../kubernetes/plain.ts";
import { renderConfig, secretOf } from "./config.ts";
import { CONFIG_FOLDER, type DeployOptions, SETTINGS_FILE } from "./deploy-options.ts";
import { digestKeys, type Keys, SECRET_KEYS } from "./keys.ts";
import { GATEWAY_PORT } from "./networking.ts";

/** Changes with everything that a gateway reads at its start; pods of one rollout have the same. */
export const CHECKSUM_ANNOTATION = "remoe.dev/checksum";
/** Of the gateway in its pods. */
export const GATEWAY_CONTAINER = "gateway";

/** A user without name or rights; the image's own. */
const USER = 65532;
/** As long as functions may take to load a large model, which a gateway waits for before it serves. */
export const START_LIMIT_S = 600;
const PROBE_PERIOD_S = 2;
/** Beyond the time for requests: functions end after them. */
const GRACE_S = 30;
const HISTORY_FOLDER = "/var/lib/remoe";
const CACHE_FOLDER = "/tmp";

/** The pod that runs a gateway. */
export function renderGatewayPod(options: DeployOptions, keys: Keys | null): Plain<V1PodTemplateSpec> {
  const { name, labels } = options;
  const spec = renderPodSpec(options);
  const read = { spec, config: renderConfig(options).data, keys: keys === null ? null : digestKeys(keys) };
  const checksum = createHash("sha256").update(JSON.stringify(read)).digest("hex").slice(0, 32);
  return {
    metadata: {
      labels: { ...labels, ...commonLabels(name, "gateway") },
      annotations: { [CHECKSUM_ANNOTATION]: checksum },
    },
    spec,
  };
}

function renderPodSpec(options: DeployOptions): Plain<V1PodSpec> {
  const { name, imagePullSecrets, drainMs, gateway } = options;
  return {
    serviceAccountName: name,
    automountServiceAccountToken: true,
    // Variables of Services would be taken for flags: that of a Service `remoe` is REMOE_PORT.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: Math.ceil(drainMs / 1000) + GRACE_S,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: imagePullSecrets.map((secret) => ({ name: secret })) }),
    affinity: spreadOverNodes(options),
    ...gateway,
    containers: [renderContainer(options)],
    volumes: renderVolumes(options).map(({ volume }) => volume),
  };
}

function spreadOverNodes({ name }: DeployOptions): Plain<V1PodSpec>["affinity"] {
  const podAffinityTerm = {
    topologyKey: "kubernetes.io/hostname",
    labelSelector: { matchLabels: commonLabels(name, "gateway") },
  };
  return { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm }] } };
}

function renderContainer(options: DeployOptions): Plain<V1Container> {
  const { image, imagePullPolicy, resources } = options;
  const memory = `${resources.memoryMb}Mi`;
  return {
    name: GATEWAY_CONTAINER,
    image,
    imagePullPolicy,
    command: ["/bin/node"],
    args: gatewayArguments(options),
    env: renderEnvironment(options),
    ports: [{ name: "http", containerPort: GATEWAY_PORT, protocol: "TCP" }],
    // Throttling would delay every stream at once, so that processors have no limit.
    resources: { requests: { cpu: `${Math.round(1000 * resources.cpus)}m`, memory }, limits: { memory } },
    startupProbe: { ...probe("/livez"), failureThreshold: START_LIMIT_S / PROBE_PERIOD_S },
    readinessProbe: { ...probe("/readyz"), failureThreshold: 1 },
    livenessProbe: { ...probe("/livez"), periodSeconds: 10, failureThreshold: 6 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: renderVolumes(options).map(({ mount }) => mount),
  };
}

/** With every default said, so that a cluster adds nothing. */
function probe(path: string): NonNullable<Plain<V1Container>["startupProbe"]> {
  return {
    httpGet: { path, port: "http", scheme: "HTTP" },
    periodSeconds: PROBE_PERIOD_S,
    timeoutSeconds: 5,
    successThreshold: 1,
  };
}

/** What the container's program is called with. */
export function gatewayArguments(options: DeployOptions): readonly string[] {
  const { model, history, serveArguments } = options;
  return [
    ...["/app/remoe.mjs", "serve", "--platform", "kubernetes"],
    ...["--kubernetes-settings", `${CONFIG_FOLDER}/${SETTINGS_FILE}`],
    ...["--host", "0.0.0.0", "--port", String(GATEWAY_PORT)],
    ...(model === null ? [] : ["--model", model]),
    ...(options.protected ? [] : ["--allow-unprotected"]),
    ...(history.type === "none" ? [] : ["--history", `${HISTORY_FOLDER}/requests.history`]),
    ...serveArguments,
  ];
}

function renderEnvironment(options: DeployOptions): readonly Plain<V1EnvVar>[] {
  const field = (name: string, fieldPath: string): Plain<V1EnvVar> => ({
    name,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
  });
  const secret = (name: string, key: string, optional?: true): Plain<V1EnvVar> => ({
    name,
    valueFrom: { secretKeyRef: { name: secretOf(options), key, ...(optional && { optional }) } },
  });
  return [
    field("REMOE_POD_NAME", "metadata.name"),
    field("REMOE_POD_UID", "metadata.uid"),
    field("REMOE_POD_NAMESPACE", "metadata.namespace"),
    field("REMOE_POD_IP", "status.podIP"),
    secret("REMOE_FUNCTION_SECRET", SECRET_KEYS.functionSecret),
    ...(options.protected ? [secret("REMOE_API_KEY", SECRET_KEYS.apiKey)] : []),
    ...(isUrl(options.model) ? [secret("REMOE_MODEL_TOKEN", SECRET_KEYS.modelToken, true)] : []),
    { name: "REMOE_CACHE_DIR", value: CACHE_FOLDER },
    ...Object.entries(options.environment).map(([name, value]) => ({ name, value })),
  ];
}

function isUrl(model: string | null): boolean {
  return model !== null && !model.startsWith("/");
}

interface MountedVolume {
  readonly volume: Plain<V1Volume>;
  readonly mount: Plain<V1VolumeMount>;
}

/** The gateway reads the vocabulary of the model that its functions run, from the same volume. */
function renderVolumes({ name, history, functions: { modelVolume } }: DeployOptions): readonly MountedVolume[] {
  const config: MountedVolume = {
    volume: { name: "config", configMap: { name } },
    mount: { name: "config", mountPath: CONFIG_FOLDER, readOnly: true },
  };
  const cache: MountedVolume = {
    volume: { name: "cache", emptyDir: { sizeLimit: "64Mi" } },
    mount: { name: "cache", mountPath: CACHE_FOLDER },
  };
  return [config, cache, ...mountHistory(history), ...(modelVolume === undefined ? [] : [mountModel(modelVolume)])];
}

function mountHistory(history: DeployOptions["history"]): readonly MountedVolume[] {
  if (history.type === "none") return [];
  const source = history.type === "pod" ? { emptyDir: {} } : { persistentVolumeClaim: { claimName: history.claim } };
  return [{ volume: { name: "history", ...source }, mount: { name: "history", mountPath: HISTORY_FOLDER } }];
}

function mountModel({
  mountPath,
  subPath,
  source,
}: NonNullable<DeployOptions["functions"]["modelVolume"]>): MountedVolume {
  return {
    volume: { name: "model", ...source },
    mount: { name: "model", mountPath, readOnly: true, ...(subPath === undefined ? {} : { subPath }) },
  };
}

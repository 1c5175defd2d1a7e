import type { DeployOptions } from "./deploy-options.ts";
import { CHECKSUM_ANNOTATION } from "./gateway-pod.ts";
import { isSecret, renderSecret, SECRET_KEYS } from "./keys.ts";
import { DISRUPTION_BUDGET } from "./kinds.ts";
import { type Manifest, manifestFile } from "./manifest.ts";
import { renderManifests } from "./render.ts";
import { toYaml } from "./to-yaml.ts";

/** What stands for values of the chart while manifests are rendered in the usual way. */
const STAND_INS = {
  name: "chart-name",
  namespace: "chart-namespace",
  image: "chart-image",
  imagePullPolicy: "chart-policy",
  serviceType: "chart-service",
  secretName: "chart-secret",
  model: "/chart-model",
  argument: "chart-argument",
  replicas: 987_654_001,
  memoryMb: 987_654_002,
  milliCpus: 987_654_003,
} as const;

/** Stand-in → what the template prints in its place as a quoted text. */
const TEXTS: readonly (readonly [string, string])[] = [
  [STAND_INS.namespace, ".Release.Namespace"],
  [STAND_INS.image, ".Values.image"],
  [STAND_INS.imagePullPolicy, ".Values.imagePullPolicy"],
  [STAND_INS.serviceType, ".Values.serviceType"],
  [STAND_INS.secretName, "(or .Values.existingSecret .Release.Name)"],
  [STAND_INS.model, ".Values.model"],
];

/** Stand-in → what the template prints in its place as it is. */
const PARTS: readonly (readonly [string | number, string])[] = [
  [STAND_INS.name, ".Release.Name"],
  [STAND_INS.replicas, ".Values.replicas"],
  [STAND_INS.memoryMb, ".Values.memoryMb"],
  [STAND_INS.milliCpus, ".Values.milliCpus"],
];

/**
 * A deployment as a Helm chart: the usual manifests, with what differs between installations as values. Its templates use
 * only what Go's templates have by themselves, so that other engines render them, too. Volumes, settings of functions and
 * files are those of the options.
 * @returns path in the chart's folder → text
 * @throws DEPLOY_INVALID
 */
export function renderChart(options: DeployOptions, version: string): ReadonlyMap<string, string> {
  const parametrised = toParametrised(options);
  const manifests = renderManifests(parametrised, { keys: null, disruptionBudgets: true });
  return new Map([
    ["Chart.yaml", toYaml(describeChart(options, version))],
    ["values.yaml", toYaml(toValues(options))],
    ["values.schema.json", `${JSON.stringify(VALUES_SCHEMA, null, 2)}\n`],
    ...[...manifests, renderKeys(parametrised)].map(
      (manifest) =>
        [`templates/${manifestFile(manifest).replace(STAND_INS.name, "remoe")}`, toTemplate(manifest)] as const,
    ),
  ]);
}

/** Options as any, with stand-ins for what the chart's values say. */
function toParametrised(options: DeployOptions): DeployOptions {
  const { name, namespace, image, imagePullPolicy, serviceType, secretName, replicas } = STAND_INS;
  return {
    ...options,
    ...({ name, namespace, image, imagePullPolicy, serviceType, secretName, replicas } as object),
    resources: { memoryMb: STAND_INS.memoryMb, cpus: STAND_INS.milliCpus / 1000 },
    model: options.model === null ? null : STAND_INS.model,
    serveArguments: [STAND_INS.argument],
  };
}

/** The Secret takes keys as they are: encoding them is beyond Go's templates. */
function renderKeys(options: DeployOptions): Manifest {
  const { data: _data, ...secret } = renderSecret(options, { functionSecret: "", apiKey: null, modelToken: null });
  const values = {
    [SECRET_KEYS.functionSecret]: KEY_VALUES.functionSecret,
    ...(options.protected ? { [SECRET_KEYS.apiKey]: KEY_VALUES.apiKey } : {}),
    ...(options.model === null ? {} : { [SECRET_KEYS.modelToken]: KEY_VALUES.modelToken }),
  };
  return { ...secret, stringData: values } as Manifest;
}

const KEY_VALUES = {
  functionSecret: "chart-function-secret",
  apiKey: "chart-api-key",
  modelToken: "chart-model-token",
} as const;

function toTemplate(manifest: Manifest): string {
  const condition = conditionOf(manifest);
  const body = parametrise(toYaml(manifest).replaceAll("{{", '{{ "{{" }}'));
  return condition === null ? body : `{{ if ${condition} }}\n${body}{{ end }}\n`;
}

function conditionOf(manifest: Manifest): string | null {
  if (isSecret(manifest)) return "not .Values.existingSecret";
  return manifest.kind === DISRUPTION_BUDGET.kind ? ".Values.disruptionBudget" : null;
}

function parametrise(yaml: string): string {
  const keys = Object.entries(KEY_VALUES).map(([key, standIn]) => [standIn, `.Values.${key}`] as const);
  let text = yaml
    // One line for each argument, if there are any.
    .replace(/^( *)- chart-argument\n/m, '{{ range .Values.serveArguments }}$1- {{ printf "%q" . }}\n{{ end }}')
    // Hashing is beyond Go's templates; each upgrade restarts the gateways.
    .replace(new RegExp(`(${CHECKSUM_ANNOTATION}: )"?\\w+"?`), '$1{{ printf "%q" (print .Release.Revision) }}');
  for (const [standIn, value] of [...TEXTS, ...keys]) {
    text = text.replace(new RegExp(`"?${standIn}"?`, "g"), `{{ printf "%q" ${value} }}`);
  }
  for (const [standIn, value] of PARTS) text = text.replaceAll(String(standIn), `{{ ${value} }}`);
  return text;
}

function describeChart({ name }: DeployOptions, version: string): object {
  return {
    apiVersion: "v2",
    name,
    description: "Serves a Mixture-of-Experts language model from serverless functions.",
    type: "application",
    version,
    appVersion: version,
    kubeVersion: ">=1.20.0-0",
  };
}

function toValues(options: DeployOptions): object {
  const { image, imagePullPolicy, serviceType, model, replicas, resources, serveArguments, secretName } = options;
  return {
    image,
    imagePullPolicy,
    replicas,
    disruptionBudget: replicas > 1,
    memoryMb: resources.memoryMb,
    milliCpus: Math.round(1000 * resources.cpus),
    serviceType,
    ...(model === null ? {} : { model }),
    serveArguments,
    existingSecret: secretName ?? "",
    functionSecret: "",
    ...(options.protected ? { apiKey: "" } : {}),
    ...(model === null ? {} : { modelToken: "" }),
  };
}

const text = { type: "string" };
const amount = { type: "integer", minimum: 1 };

/** Helm checks values by it: keys have to be given, here or as a Secret. */
const VALUES_SCHEMA = {
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  required: ["image", "replicas", "memoryMb", "milliCpus"],
  properties: {
    image: { ...text, minLength: 1 },
    imagePullPolicy: { enum: ["Always", "IfNotPresent", "Never"] },
    replicas: amount,
    disruptionBudget: { type: "boolean" },
    memoryMb: amount,
    milliCpus: amount,
    serviceType: { enum: ["ClusterIP", "NodePort", "LoadBalancer"] },
    model: text,
    serveArguments: { type: "array", items: text },
    existingSecret: text,
    functionSecret: text,
    apiKey: text,
    modelToken: text,
  },
  anyOf: [
    { properties: { existingSecret: { minLength: 1 } }, required: ["existingSecret"] },
    { properties: { functionSecret: { minLength: 16 } }, required: ["functionSecret"] },
  ],
};

import type { V1Affinity, V1Toleration } from "@kubernetes/client-node";
import { remoeError } from "../core/errors.ts";
import type { Labels } from "../kubernetes/cluster.ts";
import type { Plain } from "../kubernetes/plain.ts";
import type { KubernetesSettings } from "../platform/kubernetes/settings.ts";

/** What the gateway is told about functions and the deployment does not decide. */
export type FunctionSettings = Omit<KubernetesSettings, DecidedSetting>;

/** What follows from the deployment. */
type DecidedSetting =
  | "functions"
  | "namespace"
  | "image"
  | "imagePullPolicy"
  | "imagePullSecrets"
  | "labels"
  | "secretName"
  | "serviceAccountName"
  | "historyLease";

/** Where the gateway's pods may run; as in a pod's spec. */
export interface GatewaySettings {
  readonly nodeSelector?: Labels | undefined;
  readonly tolerations?: readonly Plain<V1Toleration>[] | undefined;
  /** Replaces the wish to spread the gateway's pods over nodes. */
  readonly affinity?: Plain<V1Affinity> | undefined;
  readonly priorityClassName?: string | undefined;
}

/**
 * Where gateways keep past requests: nowhere, each with its pod, or all together on a claim of the user, which has to be
 * one that several pods may mount. The gateways agree by a Lease on who writes.
 */
export type HistoryPlace =
  | { readonly type: "none" }
  | { readonly type: "pod" }
  | { readonly type: "claim"; readonly claim: string };

/** Everything a deployment is made of; equal options and keys are rendered to equal manifests. */
export interface DeployOptions {
  /** Names the deployment and its objects. */
  readonly name: string;
  readonly namespace: string;
  /** Of the gateway and its functions. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  /** Names of Secrets. */
  readonly imagePullSecrets: readonly string[];
  /** Gateways; with Knative, the fewest. */
  readonly replicas: number;
  /** Gateways as a Service of Knative, not as a Deployment, and functions as others, not as pods. */
  readonly knative: boolean;
  /** Of a gateway. Its memory is limited; its processors are requested but not limited. */
  readonly resources: { readonly memoryMb: number; readonly cpus: number };
  /** Path in the container or URL of the model file; `null`: the one that the image brings. */
  readonly model: string | null;
  /** Further arguments of `remoe serve`. */
  readonly serveArguments: readonly string[];
  /** File names → contents, put where {@link CONFIG_FOLDER} says. */
  readonly files: Readonly<Record<string, string>>;
  /** Further variables of the gateways, e.g. of a proxy. */
  readonly environment: Readonly<Record<string, string>>;
  /** How long a stopping gateway lets requests end. */
  readonly drainMs: number;
  /** Whether clients must send the API key. */
  readonly protected: boolean;
  /** A Secret of the user's with the keys of {@link SECRET_KEYS}; `null`: the deployment has its own. */
  readonly secretName: string | null;
  readonly history: HistoryPlace;
  readonly serviceType: "ClusterIP" | "NodePort" | "LoadBalancer";
  readonly functions: FunctionSettings;
  readonly gateway: GatewaySettings;
  /** Added to every object. */
  readonly labels: Labels;
}

/** Where the gateway finds its configuration. */
export const CONFIG_FOLDER = "/etc/remoe";
/** Name of the settings of functions in {@link CONFIG_FOLDER}. */
export const SETTINGS_FILE = "kubernetes.json";

/** Room is left for suffixes: names of Services and values of labels have at most 63 characters. */
const NAME = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;
const VARIABLE = /^[A-Za-z_]\w*$/;
const FILE_NAME = /^[-\w.]{1,253}$/;
/** What the API takes of a ConfigMap, less some room for names. */
const MAX_CONFIG_BYTES = 1_000_000;

/** @throws DEPLOY_INVALID for what no cluster would take */
export function checkOptions(options: DeployOptions): void {
  const problem = findProblem(options);
  if (problem !== null) throw remoeError("DEPLOY_INVALID", { name: options.name, problem });
}

function findProblem(options: DeployOptions): string | null {
  const { name, namespace, image, model, resources } = options;
  if (!NAME.test(name)) {
    return "its name must be of at most 40 lower-case letters, digits and dashes, begin with a letter and not end with a dash";
  }
  if (!NAMESPACE.test(namespace)) return `'${namespace}' is no name of a namespace`;
  if (image === "" || /\s/.test(image)) return `'${image}' is no image`;
  if (model !== null && !/^(\/|https?:\/\/)/.test(model)) {
    return `the model '${model}' must be an absolute path in the container or a URL`;
  }
  if (!(resources.cpus >= 0.001 && resources.memoryMb >= 1)) return "its gateways need processors and memory";
  const variable = Object.keys(options.environment).find((name) => !VARIABLE.test(name));
  if (variable !== undefined) return `'${variable}' is no name of a variable`;
  return findLabelProblem(options.labels) ?? findFileProblem(options.files);
}

function findLabelProblem(labels: Labels): string | null {
  const wrong = Object.entries(labels).find(([key, value]) => !LABEL_KEY.test(key) || !LABEL_VALUE.test(value));
  return wrong === undefined ? null : `'${wrong.join("=")}' is no label`;
}

function findFileProblem(files: DeployOptions["files"]): string | null {
  const wrong = Object.keys(files).find(
    (file) => !FILE_NAME.test(file) || file === SETTINGS_FILE || /^\.\.?$/.test(file),
  );
  if (wrong !== undefined) return `'${wrong}' cannot be a file of its configuration`;
  const bytes = Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0);
  if (bytes <= MAX_CONFIG_BYTES) return null;
  return `its files have ${bytes} bytes, a ConfigMap takes ${MAX_CONFIG_BYTES}; put them on the model's volume`;
}

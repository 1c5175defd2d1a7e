import { z } from "zod";
import { remoeError } from "../../core/errors.ts";
import type { Pod } from "../../kubernetes/kinds.ts";

type PodSpec = NonNullable<Pod["spec"]>;
type Field<Name extends keyof PodSpec> = NonNullable<PodSpec[Name]>;
type Volume = Field<"volumes">[number];

const text = z.string().min(1);
const texts = z.record(z.string(), z.string());

/** Part of a pod as the API has it, which also checks it. */
function part<T>() {
  return z.custom<T>((value) => typeof value === "object" && value !== null, "must be an object of the API");
}

const modelVolume = z.strictObject({
  /** Below it the model has the same path in functions as in the gateway. */
  mountPath: z.string().startsWith("/"),
  subPath: text.optional(),
  /** E.g. `{ "persistentVolumeClaim": { "claimName": "models", "readOnly": true } }`. */
  source: part<Omit<Volume, "name">>(),
});

const schema = z.strictObject({
  /** What functions are: pods, the default, or Services of Knative. */
  functions: z.enum(["pods", "knative-services"]).optional(),
  /** Defaults to that of the kubeconfig's context, or of the gateway's pod. */
  namespace: text.optional(),
  /** Holds Remoe's program of functions. */
  image: text,
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]).optional(),
  /** Names of Secrets. */
  imagePullSecrets: z.array(text).optional(),
  /** Of the pods, in addition to Remoe's own. */
  labels: texts.optional(),
  /** Secret with the functions' shared secret as `function-secret`. Without, one is made. */
  secretName: text.optional(),
  /** Of functions; its token is never mounted. */
  serviceAccountName: text.optional(),
  modelVolume: modelVolume.optional(),
  nodeSelector: texts.optional(),
  tolerations: part<Field<"tolerations">>().optional(),
  affinity: part<Field<"affinity">>().optional(),
  priorityClassName: text.optional(),
  topologySpreadConstraints: part<Field<"topologySpreadConstraints">>().optional(),
  /** Of which a main function with a device takes one. Defaults to `nvidia.com/gpu`. */
  gpuResource: text.optional(),
  runtimeClassName: text.optional(),
  /** Name of the Lease by which gateways that share a history agree on who writes it. Without, a gateway has its own. */
  historyLease: text.optional(),
  /** How long a pod may take until its container runs, a Service until it is ready, in seconds. Defaults to 300. */
  startTimeoutS: z.number().positive().optional(),
});

/** How functions run in a cluster. */
export type KubernetesSettings = z.infer<typeof schema>;

/**
 * Checks settings.
 * @param path for error messages
 * @throws KUBERNETES_SETTINGS_INVALID
 */
export function parseKubernetesSettings(json: unknown, path: string): KubernetesSettings {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: field, message } = { path: [], message: "damaged" }] = parsed.error.issues;
  const problem = field.length === 0 ? message : `${field.join(".")}: ${message}`;
  throw remoeError("KUBERNETES_SETTINGS_INVALID", { path, problem });
}

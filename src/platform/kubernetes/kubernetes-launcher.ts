import { randomBytes } from "node:crypto";
import type { PodTimes } from "../../functions/spec.ts";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { type Kind, type KubernetesObject, POD, type Pod } from "../../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../../kubernetes/knative-service.ts";
import { COMPONENT_LABEL, GATEWAY_LABEL } from "../../kubernetes/labels.ts";
import { DEFAULT_KEEP_ALIVE_MS } from "../instance-pool.ts";
import { launchFunction, type RunningInstance } from "../launch-function.ts";
import type { Launcher } from "../launcher.ts";
import type { FunctionSpec, Limits } from "../platform.ts";
import { Fleet } from "./fleet.ts";
import { functionPod } from "./function-pod.ts";
import { type FunctionServiceOptions, functionService } from "./function-service.ts";
import type { Owner } from "./owner.ts";
import { openPremises } from "./premises.ts";
import type { RunningOptions } from "./running-object.ts";
import { RunningPod } from "./running-pod.ts";
import { RunningService } from "./running-service.ts";
import type { KubernetesSettings } from "./settings.ts";

export interface KubernetesLauncherOptions {
  /** Functions run in its default namespace. The launcher does not close it. */
  readonly cluster: Cluster;
  readonly settings: KubernetesSettings;
  /** Shared by the functions of one gateway. Whoever may read Secrets of the namespace can read it. */
  readonly secret: string;
  readonly owner: Owner;
  /** How long Knative keeps the pod of a function that nobody calls. Defaults to that of the platform's warm pool. */
  readonly keepAliveMs?: number | undefined;
  /** For a model behind a URL that asks for one, unless the settings name a Secret that has it. */
  readonly modelToken?: string | undefined;
  /** Further variables of the functions' environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Hears of what may pass by itself: no node has room for a pod, the API is not to be reached for the moment. */
  readonly onTrouble?: (text: string) => void;
}

/** How functions are objects of one kind. */
interface Form<T extends KubernetesObject> {
  readonly kind: Kind<T>;
  readonly render: (spec: FunctionSpec, options: FunctionServiceOptions) => T;
  readonly run: (object: T, options: RunningOptions<T>) => RunningInstance & { readonly times?: PodTimes | null };
}

const PODS: Form<Pod> = { kind: POD, render: functionPod, run: (pod, options) => new RunningPod(pod, options) };
const KNATIVE_SERVICES: Form<KnativeService> = {
  kind: KNATIVE_SERVICE,
  render: functionService,
  run: (service, options) => new RunningService(service, options),
};

const LIMITS: Limits = { memory: "pod", cpu: "pod" };
const START_TIMEOUT_S = 300;

/**
 * Starts functions as pods, or as Services of Knative if the settings say so. The gateway must be able to reach them where
 * they are. When it ends, however that happens, pods end within half a minute, and Services have none when nobody calls
 * them; what is left then goes with their owner.
 * A launch can also fail with KUBERNETES_UNREACHABLE, or with KUBERNETES_REFUSED, e.g. at a quota.
 * @throws KUBERNETES_*
 */
export function createKubernetesLauncher(options: KubernetesLauncherOptions): Promise<Launcher> {
  const { functions = "pods" } = options.settings;
  return functions === "pods" ? createLauncher(PODS, options) : createLauncher(KNATIVE_SERVICES, options);
}

async function createLauncher<T extends KubernetesObject>(
  { kind, render, run }: Form<T>,
  options: KubernetesLauncherOptions,
): Promise<Launcher> {
  const { cluster, settings, secret, owner, environment = {}, onTrouble = () => {} } = options;
  const { keepAliveMs = DEFAULT_KEEP_ALIVE_MS } = options;
  const labels = { [COMPONENT_LABEL]: "function", [GATEWAY_LABEL]: owner.name };
  const fleet = new Fleet(cluster, { kind, labels, onTrouble });
  await fleet.open();
  const premises = await openPremises(options).catch((error: unknown) => {
    fleet.close();
    throw error;
  });
  // Objects that an earlier process left may still have the names that it gave.
  const generation = randomBytes(3).toString("hex");
  const startTimeoutMs = 1000 * (settings.startTimeoutS ?? START_TIMEOUT_S);
  const shared = { settings, environment, gateway: owner.name, startTimeoutMs, keepAliveMs, ...premises.forFunctions };
  return {
    name: "kubernetes",
    launch(spec, instanceId, signal) {
      const start = () => {
        const object = render(spec, { ...shared, name: objectName(instanceId, generation) });
        return run(object, { fleet, spec, secret, startTimeoutMs, onTrouble });
      };
      return launchFunction(start, { spec, settle }, signal);
    },
    async close() {
      fleet.close();
      await premises.close();
    },
  };
}

function settle({ times }: { readonly times?: PodTimes | null }) {
  return { pid: null, limits: LIMITS, ...(times && { pod: times }) };
}

/** Small letters, digits and hyphens only. */
function objectName(instanceId: string, generation: string): string {
  const readable = instanceId.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return `remoe-${readable}-${generation}`;
}

import { randomBytes } from "node:crypto";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { COMPONENT_LABEL, GATEWAY_LABEL } from "../../kubernetes/labels.ts";
import { launchFunction } from "../launch-function.ts";
import type { Launcher } from "../launcher.ts";
import type { Limits } from "../platform.ts";
import { functionPod } from "./function-pod.ts";
import type { Owner } from "./owner.ts";
import { PodFleet } from "./pod-fleet.ts";
import { openPremises } from "./premises.ts";
import { RunningPod } from "./running-pod.ts";
import type { KubernetesSettings } from "./settings.ts";

export interface KubernetesLauncherOptions {
  /** Functions run in its default namespace. The launcher does not close it. */
  readonly cluster: Cluster;
  readonly settings: KubernetesSettings;
  /** Shared by the functions of one gateway. Whoever may read Secrets of the namespace can read it. */
  readonly secret: string;
  readonly owner: Owner;
  /** For a model behind a URL that asks for one, unless the settings name a Secret that has it. */
  readonly modelToken?: string | undefined;
  /** Further variables of the functions' environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Hears of what may pass by itself: no node has room for a pod, the API is not to be reached for the moment. */
  readonly onTrouble?: (text: string) => void;
}

const LIMITS: Limits = { memory: "pod", cpu: "pod" };
const START_TIMEOUT_S = 300;

/**
 * Starts functions as pods. They listen at their pods' addresses, which the gateway must be able to reach. When the
 * gateway ends, however that happens, they end within half a minute; what is left of them then goes with their owner.
 * A launch can also fail with KUBERNETES_UNREACHABLE, or with KUBERNETES_REFUSED, e.g. at a quota.
 * @throws KUBERNETES_*
 */
export async function createKubernetesLauncher(options: KubernetesLauncherOptions): Promise<Launcher> {
  const { cluster, settings, secret, owner, environment = {}, onTrouble = () => {} } = options;
  const labels = { [COMPONENT_LABEL]: "function", [GATEWAY_LABEL]: owner.name };
  const fleet = new PodFleet(cluster, { labels, onTrouble });
  await fleet.open();
  const premises = await openPremises(options).catch((error: unknown) => {
    fleet.close();
    throw error;
  });
  const shared = { settings, environment, gateway: owner.name, ...premises.forPods };
  // Pods that an earlier process left may still have the names that it gave.
  const generation = randomBytes(3).toString("hex");
  const startTimeoutMs = 1000 * (settings.startTimeoutS ?? START_TIMEOUT_S);
  return {
    name: "kubernetes",
    launch(spec, instanceId, signal) {
      const start = (): RunningPod => {
        const pod = functionPod(spec, { ...shared, name: podName(instanceId, generation) });
        return new RunningPod(pod, { fleet, spec, secret, startTimeoutMs, onTrouble });
      };
      return launchFunction(start, { spec, settle }, signal);
    },
    async close() {
      fleet.close();
      await premises.close();
    },
  };
}

function settle({ times }: RunningPod) {
  return { pid: null, limits: LIMITS, ...(times && { pod: times }) };
}

/** Small letters, digits and hyphens only. */
function podName(instanceId: string, generation: string): string {
  const readable = instanceId.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return `remoe-${readable}-${generation}`;
}

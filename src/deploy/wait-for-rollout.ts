import { remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { type Kind, type KubernetesObject, POD, type Pod } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { explainObstacle } from "./explain-obstacle.ts";
import type { GatewaySet } from "./kinds.ts";
import { judgeRollout, type Obstacle, type Rollout } from "./rollout.ts";
import { watchObjects } from "./watch-objects.ts";

export interface WaitOptions {
  /** What starts the gateways. */
  readonly kind: Kind<GatewaySet>;
  /** Aborts when the time is over. */
  readonly late: AbortSignal;
  /** Hears what is being waited for, as text for people. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Follows a rollout by watches until all gateways are ready.
 * @returns how many there are
 * @throws DEPLOY_NOT_READY with what the cluster says about the reason; the signal's reason
 */
export async function waitForRollout(cluster: Cluster, name: string, options: WaitOptions): Promise<number> {
  const { kind, late, onStep, signal } = options;
  const kinds: readonly Kind<GatewaySet | Pod>[] = [kind, POD];
  const query = { kinds, labels: commonLabels(name, "gateway") };
  let rollout: Rollout = { type: "progressing", step: "nothing starts gateways", hindrance: null };
  for await (const objects of watchObjects(cluster, query, AbortSignal.any([signal, late]))) {
    const gateways = objects.find((object) => !isPod(object) && object.metadata?.name === name);
    if (gateways === undefined) continue;
    rollout = judgeRollout(gateways as GatewaySet, objects.filter(isPod));
    if (rollout.type === "done") return rollout.gateways;
    if (rollout.type === "failed") throw await notReady(cluster, name, rollout.obstacle);
    onStep(rollout.step);
  }
  signal.throwIfAborted();
  const { step, hindrance } = rollout;
  const reasons = [`the time is over, ${step}`, ...(hindrance === null ? [] : [hindrance.reason])];
  throw await notReady(cluster, name, { pod: hindrance?.pod ?? null, reason: reasons.join("; ") });
}

async function notReady(cluster: Cluster, name: string, obstacle: Obstacle): Promise<Error> {
  return remoeError("DEPLOY_NOT_READY", { name, reason: await explainObstacle(cluster, obstacle) });
}

function isPod(object: KubernetesObject): object is Pod {
  return object.kind === POD.kind;
}

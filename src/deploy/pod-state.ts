import type { V1ContainerState, V1ContainerStatus } from "@kubernetes/client-node";
import type { Pod } from "../kubernetes/kinds.ts";
import type { Plain } from "../kubernetes/plain.ts";

type ContainerStatus = Plain<V1ContainerStatus>;
type ContainerState = Plain<V1ContainerState>;

const MIB = 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: MIB, Gi: 2 ** 30 };

/** A container waits for what does not come by itself. */
const HOPELESS: ReadonlySet<string> = new Set([
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImagePullBackOff",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "CrashLoopBackOff",
]);

/** What a pod is at, in the words of `kubectl get pods`. */
export function podState(pod: Pod): string {
  if (pod.metadata?.deletionTimestamp !== undefined) return "Terminating";
  const state = firstContainer(pod)?.state;
  return state?.waiting?.reason ?? state?.terminated?.reason ?? pod.status?.reason ?? pod.status?.phase ?? "Unknown";
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}

/** Whether its container has run, so that there is a log. */
export function hasStarted(pod: Pod): boolean {
  const { running, terminated } = firstContainer(pod)?.state ?? {};
  return running !== undefined || terminated !== undefined;
}

/** What the pod's container may use, in MiB; `null`: no limit. */
export function memoryLimitMb({ spec }: Pod): number | null {
  const quantity = spec?.containers[0]?.resources?.limits?.["memory"];
  const [, amount, unit = ""] = /^(\d+)([KMG]i)?$/.exec(quantity ?? "") ?? [];
  return amount === undefined ? null : Math.floor((Number(amount) * (UNITS[unit] ?? 1)) / MIB);
}

export function restartsOf(pod: Pod): number {
  return firstContainer(pod)?.restartCount ?? 0;
}

/** Why a pod will not become ready by itself; `null`: it may. */
export function podTrouble(pod: Pod): string | null {
  const { state, lastState } = firstContainer(pod) ?? {};
  const { reason, message } = state?.waiting ?? {};
  if (reason === undefined || !HOPELESS.has(reason)) return null;
  return joinFacts([message === undefined ? reason : `${reason}: ${message}`, describeEnd(lastState)]);
}

/** Why a pod is not ready yet, as far as it says. */
export function podHindrance(pod: Pod): string {
  const unmet = pod.status?.conditions?.find(({ status, message }) => status === "False" && message !== undefined);
  return joinFacts([podTrouble(pod) ?? podState(pod), unmet?.message ?? null]);
}

function describeEnd(state: ContainerState | undefined): string | null {
  const { reason, exitCode, message } = state?.terminated ?? {};
  if (exitCode === undefined) return null;
  return `it ended with code ${exitCode} (${joinFacts([reason ?? null, message ?? null])})`;
}

function firstContainer({ status }: Pod): ContainerStatus | undefined {
  return status?.containerStatuses?.[0];
}

function joinFacts(facts: readonly (string | null)[]): string {
  return facts.filter((fact) => fact !== null && fact !== "").join(", ");
}

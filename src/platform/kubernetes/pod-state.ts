import type { Pod } from "../../kubernetes/kinds.ts";
import { isTelling } from "../function-process.ts";
import { say, type Words } from "./say.ts";

/** What the API says of a function's pod. */
export type PodState =
  /** Not yet; the reason in the API's words. */
  | { readonly type: "waiting"; readonly reason: string }
  /** It never will. */
  | { readonly type: "failing"; readonly reason: string }
  | { readonly type: "running"; readonly ip: string }
  /** Somebody deletes it; its container may still run. */
  | { readonly type: "leaving"; readonly reason: string }
  | {
      readonly type: "ended";
      readonly outOfMemory: boolean;
      readonly reason: string;
      /** What the function left as its last message. */
      readonly message: string;
    };

/** Reasons for waiting that do not pass by themselves, or not before everybody has given up. */
const OBSTACLES: ReadonlySet<string | undefined> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImageInspectError",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

export function podState(pod: Pod): PodState {
  const { status } = pod;
  const { terminated, waiting, running } = status?.containerStatuses?.[0]?.state ?? {};
  if (terminated !== undefined) return ended(terminated);
  if (status?.phase === "Failed" || status?.phase === "Succeeded") return endedWithout(pod);
  if (pod.metadata?.deletionTimestamp !== undefined) return { type: "leaving", reason: whyDeleted(pod) };
  if (OBSTACLES.has(waiting?.reason)) return { type: "failing", reason: say(waiting, "its container cannot start") };
  if (running !== undefined && status?.podIP !== undefined) return { type: "running", ip: status.podIP };
  return { type: "waiting", reason: whyWaiting(pod) };
}

/** Whether it has been given a node. */
export function isScheduled({ spec }: Pod): boolean {
  return spec?.nodeName !== undefined;
}

/** Whether no node has room for it so far. */
export function isUnschedulable(pod: Pod): boolean {
  return refusal(pod) !== undefined;
}

interface Terminated extends Words {
  readonly exitCode: number;
  readonly signal?: number | undefined;
}

function ended({ exitCode, signal, reason, message = "" }: Terminated): PodState {
  const how = signal === undefined ? `it exited with code ${exitCode}` : `it was ended by signal ${signal}`;
  const lastWords = message.split("\n").filter(isTelling).at(-1);
  return {
    type: "ended",
    outOfMemory: reason === "OOMKilled",
    reason: lastWords === undefined ? how : `${how}; its last words: ${lastWords}`,
    message,
  };
}

/** As after an eviction: what became of the container is not told. */
function endedWithout(pod: Pod): PodState {
  const reason = disruption(pod) ?? say(pod.status, "its pod has ended");
  return { type: "ended", outOfMemory: false, reason, message: "" };
}

function whyDeleted(pod: Pod): string {
  return disruption(pod) ?? say(pod.status, "its pod was deleted");
}

/** Preemption, eviction, a lost node: newer clusters say it in a condition. */
function disruption({ status }: Pod): string | null {
  const found = status?.conditions?.find(({ type, status: holds }) => type === "DisruptionTarget" && holds === "True");
  return found === undefined ? null : say(found, "its pod is disrupted");
}

function whyWaiting(pod: Pod): string {
  return say(refusal(pod) ?? pod.status?.containerStatuses?.[0]?.state?.waiting, "no node has taken it yet");
}

/** What the scheduler says that finds no node. */
function refusal({ status }: Pod): Words | undefined {
  return status?.conditions?.find(({ type, status: holds }) => type === "PodScheduled" && holds === "False");
}

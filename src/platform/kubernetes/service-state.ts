import { type KnativeService, readyCondition } from "../../kubernetes/knative-service.ts";
import { say } from "./say.ts";

/** What Knative says of a function's Service; reasons in its words. */
export type ServiceState =
  | { readonly type: "waiting"; readonly reason: string }
  | { readonly type: "ready"; readonly url: string }
  | { readonly type: "failed"; readonly reason: string };

export function serviceState(service: KnativeService): ServiceState {
  const ready = readyCondition(service);
  if (ready?.status === "False") return { type: "failed", reason: say(ready, "its Service is not ready") };
  if (ready?.status !== "True") return { type: "waiting", reason: say(ready, "Knative has not told of it") };
  const { address, url } = service.status ?? {};
  const inside = address?.url ?? url;
  if (inside === undefined) return { type: "waiting", reason: "its Service has no address" };
  return { type: "ready", url: inside };
}

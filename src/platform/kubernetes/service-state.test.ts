import { describe, expect, it } from "vitest";
import { KNATIVE_SERVICE, type KnativeService } from "../../kubernetes/knative-service.ts";
import { serviceState } from "./service-state.ts";

const OUTSIDE = "https://main.models.example";
const INSIDE = "http://main.models.svc.cluster.local";

const withStatus = (status: KnativeService["status"]): KnativeService => ({
  ...KNATIVE_SERVICE,
  metadata: { name: "main", generation: 2 },
  status: { observedGeneration: 2, ...status },
});
const ready = (status: "True" | "False" | "Unknown") => [
  { type: "RoutesReady", status: "True" as const },
  { type: "Ready", status, reason: "RevisionFailed", message: "it says why" },
];

describe("the Service of a function", () => {
  it.each([
    [
      "is ready at its address in the cluster",
      { conditions: ready("True"), url: OUTSIDE, address: { url: INSIDE } },
      INSIDE,
    ],
    ["is ready at its only address", { conditions: ready("True"), url: INSIDE }, INSIDE],
  ])("%s", (_what, status, url) => {
    expect(serviceState(withStatus(status))).toEqual({ type: "ready", url });
  });

  it("has failed in Knative's words", () => {
    const state = serviceState(withStatus({ conditions: ready("False"), url: INSIDE }));
    expect(state).toEqual({ type: "failed", reason: "RevisionFailed: it says why" });
  });

  it.each([
    ["Knative has not seen", { ...withStatus({}), status: undefined }, "Knative has not told of it"],
    [
      "was changed since",
      withStatus({ observedGeneration: 1, conditions: ready("True") }),
      "Knative has not told of it",
    ],
    ["is on its way", withStatus({ conditions: ready("Unknown"), url: INSIDE }), "RevisionFailed: it says why"],
    ["has no address", withStatus({ conditions: ready("True") }), "its Service has no address"],
  ])("is waited for when it %s", (_what, service, reason) => {
    expect(serviceState(service)).toEqual({ type: "waiting", reason });
  });
});

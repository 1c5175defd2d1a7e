import { describe, expect, it } from "vitest";
import type { Deployment, Pod } from "../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../kubernetes/knative-service.ts";
import { CHECKSUM_ANNOTATION } from "./gateway-pod.ts";
import { judgeRollout } from "./rollout.ts";

function deployment(status: NonNullable<Deployment["status"]>, replicas = 2): Deployment {
  return {
    metadata: { generation: 3 },
    spec: {
      replicas,
      selector: {},
      template: { metadata: { annotations: { [CHECKSUM_ANNOTATION]: "new" } } },
    },
    status: { observedGeneration: 3, ...status },
  };
}

function waitingPod(checksum: string, reason: string, deletionTimestamp?: string): Pod {
  return {
    metadata: { name: "pod", annotations: { [CHECKSUM_ANNOTATION]: checksum }, deletionTimestamp },
    status: { containerStatuses: [{ name: "gateway", state: { waiting: { reason } } }] as never },
  };
}

const allReady = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

function knative(status: NonNullable<KnativeService["status"]>): KnativeService {
  const { metadata, spec } = deployment({});
  return { ...KNATIVE_SERVICE, metadata, spec, status: { observedGeneration: 3, ...status } } as KnativeService;
}

describe("a rollout by Knative", () => {
  const ready = (status: "True" | "False" | "Unknown") => [{ type: "Ready", status, message: "as Knative says" }];

  it.each([
    ["is done", "True", { type: "done", gateways: 0 }],
    ["goes on", "Unknown", { type: "progressing", step: "as Knative says", hindrance: null }],
    ["has failed", "False", { type: "failed", obstacle: { pod: null, reason: "as Knative says" } }],
  ] as const)("%s when it is ready: %s", (_what, status, rollout) => {
    expect(judgeRollout(knative({ conditions: ready(status) }), [])).toEqual(rollout);
  });

  it("is not done by what was ready before", () => {
    const before = knative({ observedGeneration: 2, conditions: ready("True") });
    expect(judgeRollout(before, []).type).toBe("progressing");
  });
});

describe("a rollout", () => {
  it("is done when all gateways are new and ready, and no old one is left", () => {
    expect(judgeRollout(deployment(allReady), [])).toEqual({ type: "done", gateways: 2 });
  });

  it.each([
    [
      "the cluster has not seen the change",
      { ...allReady, observedGeneration: 2 },
      "waiting for the cluster to see the change",
    ],
    ["not all are new", { ...allReady, updatedReplicas: 1 }, "1 of 2 gateways are of this revision"],
    ["an old one is left", { ...allReady, replicas: 3 }, "1 old gateways are ending"],
    ["one is not ready", { ...allReady, availableReplicas: 1 }, "1 of 2 gateways are ready"],
  ])("goes on while %s", (_what, status, step) => {
    expect(judgeRollout(deployment(status), [])).toEqual({ type: "progressing", step, hindrance: null });
  });

  it.each([
    ["it took too long", { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "slow" }],
    ["pods are refused", { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "quota" }],
  ])("has failed when %s", (_what, condition) => {
    const obstacle = { pod: null, reason: `${condition.reason}: ${condition.message}` };
    expect(judgeRollout(deployment({ conditions: [condition] }), [])).toEqual({ type: "failed", obstacle });
  });

  it("does not take an earlier failure for its own", () => {
    const condition = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" };
    expect(judgeRollout(deployment({ conditions: [condition], observedGeneration: 2 }), []).type).toBe("progressing");
  });

  it("has failed when a new gateway cannot start", () => {
    const pod = waitingPod("new", "ErrImageNeverPull");
    expect(judgeRollout(deployment({}), [pod])).toEqual({
      type: "failed",
      obstacle: { pod, reason: "ErrImageNeverPull" },
    });
  });

  it.each([
    ["an old gateway cannot start", waitingPod("old", "CrashLoopBackOff")],
    ["a gateway that cannot start ends anyway", waitingPod("new", "CrashLoopBackOff", "2026-01-01T00:00:00Z")],
    ["a gateway waits for what comes by itself", waitingPod("new", "ContainerCreating")],
  ])("goes on when %s", (_what, pod) => {
    expect(judgeRollout(deployment({}), [pod]).type).toBe("progressing");
  });
});

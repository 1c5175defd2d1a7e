import { describe, expect, it } from "vitest";
import type { Pod } from "../../kubernetes/kinds.ts";
import { podState } from "./pod-state.ts";

type Status = NonNullable<Pod["status"]>;
type ContainerState = NonNullable<NonNullable<Status["containerStatuses"]>[number]["state"]>;

const inState = (state: ContainerState, status: Status = {}): Pod => ({
  status: {
    ...status,
    containerStatuses: [{ name: "function", image: "", imageID: "", ready: false, restartCount: 0, state }],
  },
});
const deleted = { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } };
const ended = { outOfMemory: false, message: "" };

describe("what a pod's status says of a function", () => {
  it("nothing yet: it waits for a node", () => {
    expect(podState({})).toEqual({ type: "waiting", reason: "no node has taken it yet" });
  });

  it("no node has room: it waits, and the scheduler says why", () => {
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" };
    expect(podState({ status: { conditions: [condition] } })).toEqual({
      type: "waiting",
      reason: "Unschedulable: 0/1 nodes",
    });
  });

  it("its container is made: it waits", () => {
    expect(podState(inState({ waiting: { reason: "ContainerCreating" } }))).toEqual({
      type: "waiting",
      reason: "ContainerCreating",
    });
  });

  it.each(["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"])(
    "%s: it never will start",
    (reason) => {
      expect(podState(inState({ waiting: { reason, message: "because" } }))).toEqual({
        type: "failing",
        reason: `${reason}: because`,
      });
    },
  );

  it("it runs at an address", () => {
    expect(podState(inState({ running: {} }, { podIP: "10.0.0.1" }))).toEqual({ type: "running", ip: "10.0.0.1" });
    expect(podState(inState({ running: {} }))).toMatchObject({ type: "waiting" });
  });

  it("it has ended, with code and last words", () => {
    const message = "Error: I give up\n    at program.js:1\n\nNode.js v20\n";
    expect(podState(inState({ terminated: { exitCode: 7, reason: "Error", message } }))).toEqual({
      type: "ended",
      outOfMemory: false,
      reason: "it exited with code 7; its last words: Error: I give up",
      message,
    });
    expect(podState(inState({ terminated: { exitCode: 137, signal: 9 } }))).toEqual({
      ...{ type: "ended", ...ended },
      reason: "it was ended by signal 9",
    });
  });

  it("the kernel ended it", () => {
    expect(podState(inState({ terminated: { exitCode: 137, reason: "OOMKilled" } }))).toMatchObject({
      type: "ended",
      outOfMemory: true,
    });
  });

  it("it was evicted, in the kubelet's words", () => {
    const status = { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." };
    expect(podState({ status })).toEqual({
      ...{ type: "ended", ...ended },
      reason: "Evicted: The node was low on resource: memory.",
    });
  });

  it("somebody deletes it while it runs", () => {
    expect(podState({ ...inState({ running: {} }, { podIP: "10.0.0.1" }), ...deleted })).toEqual({
      type: "leaving",
      reason: "its pod was deleted",
    });
  });

  it("it has to make place for a more important one, as newer clusters say", () => {
    const condition = {
      ...{ type: "DisruptionTarget", status: "True" },
      ...{ reason: "PreemptionByScheduler", message: "preempting to accommodate a higher priority pod" },
    };
    expect(podState({ ...inState({ running: {} }, { conditions: [condition] }), ...deleted })).toEqual({
      type: "leaving",
      reason: "PreemptionByScheduler: preempting to accommodate a higher priority pod",
    });
  });

  it("it was deleted and has ended: what counts is how", () => {
    expect(podState({ ...inState({ terminated: { exitCode: 0 } }), ...deleted })).toMatchObject({ type: "ended" });
  });
});

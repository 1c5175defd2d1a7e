import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cluster } from "../kubernetes/cluster.ts";
import { DEPLOYMENT, type Deployment, type KubernetesEvent, type Pod } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { openCluster } from "../kubernetes/open-cluster.ts";
import { type ApiDouble, startApiDouble } from "../kubernetes/testing/api-double.ts";
import type { StoredObject } from "../kubernetes/testing/object-store.ts";
import { applyRevision } from "./apply-revision.ts";
import { diffObjects } from "./diff-objects.ts";
import { followLogs, readLogs } from "./follow-logs.ts";
import { CHECKSUM_ANNOTATION } from "./gateway-pod.ts";
import type { ManifestOf } from "./manifest.ts";
import { renderManifests } from "./render.ts";
import { listRevisions } from "./revisions.ts";
import { readStatus } from "./status.ts";
import { describeDeployments } from "./testing/deployment-contract.ts";
import { SAMPLE_KEYS, sampleOptions } from "./testing/sample-options.ts";
import { waitForRollout } from "./wait-for-rollout.ts";

const doubles: ApiDouble[] = [];
const openDouble = async (): Promise<Cluster> => {
  const double = await startApiDouble();
  doubles.push(double);
  return await openCluster({ kubeconfig: double.kubeconfig, namespace: "models" });
};
afterAll(async () => {
  for (const double of doubles) await double.close();
});

describeDeployments("deployments behind the API double", openDouble);

const NAMESPACE_PATH = "/namespaces/models";
const PODS = `/api/v1${NAMESPACE_PATH}/pods`;
const DEPLOYMENT_PATH = `/apis/apps/v1${NAMESPACE_PATH}/deployments/chat`;
const manifests = renderManifests(sampleOptions(), { keys: SAMPLE_KEYS, disruptionBudgets: false });
const checksum = (manifests.at(-1) as ManifestOf<Deployment>).spec?.template.metadata?.annotations?.[
  CHECKSUM_ANNOTATION
];

describe("a deployment", () => {
  let cluster: Cluster;
  let double: ApiDouble;
  beforeEach(async () => {
    cluster = await openDouble();
    double = doubles.at(-1) as ApiDouble;
    await applyRevision(cluster, "chat", { manifests, forceConflicts: false, version: "1", now: new Date(0) });
  });
  afterEach(() => cluster.close());

  const setStatus = (status: NonNullable<Deployment["status"]>): void => {
    double.store.update(DEPLOYMENT_PATH, (object) => ({ ...object, status }));
  };
  const addPod = (name: string, changed: Partial<Pod> & { readonly component?: "gateway" | "function" } = {}): void => {
    const { component = "gateway", metadata, ...rest } = changed;
    const annotations = { [CHECKSUM_ANNOTATION]: checksum };
    const labels = commonLabels("chat", component);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      ...rest,
      metadata: { name, namespace: "models", labels, annotations, ...metadata },
    };
    double.store.create(`${PODS}/${name}`, pod as unknown as StoredObject);
  };
  const addEvent = (name: string, event: Partial<KubernetesEvent>): void => {
    const object = { apiVersion: "v1", kind: "Event", metadata: { name, namespace: "models" }, ...event };
    double.store.create(`/api/v1${NAMESPACE_PATH}/events/${name}`, object as unknown as StoredObject);
  };
  const uidOf = (pod: string): string => double.store.get(`${PODS}/${pod}`)?.metadata.uid ?? "";

  describe("that a controller annotates while it is compared", () => {
    it("shows no difference", async () => {
      const read = cluster.read.bind(cluster);
      const annotate = (): void => {
        double.store.update(DEPLOYMENT_PATH, (object) => {
          const annotations = { ...object.metadata.annotations, "deployment.kubernetes.io/revision": "1" };
          return { ...object, metadata: { ...object.metadata, annotations } };
        });
      };
      let isAnnotated = false;
      vi.spyOn(cluster, "read").mockImplementation(async (kind, name, namespace) => {
        const found = await read(kind, name, namespace);
        if (kind.kind === DEPLOYMENT.kind && !isAnnotated) annotate();
        isAnnotated ||= kind.kind === DEPLOYMENT.kind;
        return found as never;
      });
      expect(await diffObjects(cluster, "chat", manifests)).toBe("");
    });
  });

  describe("that others manage fields of", () => {
    it("is not changed, and the fields are named with their owners", async () => {
      const changed = renderManifests(sampleOptions({ replicas: 2 }), { keys: SAMPLE_KEYS, disruptionBudgets: false });
      double.fail({ times: 1, answer: 409, method: "PATCH" });
      const options = { manifests: changed, forceConflicts: false, version: "1", now: new Date(0) };
      await expect(applyRevision(cluster, "chat", options)).rejects.toMatchObject({ code: "DEPLOY_CONFLICT" });
      expect(await listRevisions(cluster, "chat")).toHaveLength(1);
    });
  });

  describe("while its gateways start", () => {
    const wait = (onStep: (step: string) => void, late = new AbortController().signal) =>
      waitForRollout(cluster, "chat", { kind: DEPLOYMENT, late, onStep, signal: new AbortController().signal });

    it("is followed until they are ready", async () => {
      const steps: string[] = [];
      const ready = wait((step) => {
        steps.push(step);
        setStatus({ replicas: 1, updatedReplicas: 1, availableReplicas: steps.length === 1 ? 0 : 1 });
      });
      expect(await ready).toBe(1);
      expect(steps).toEqual(["0 of 1 gateways are of this revision", "0 of 1 gateways are ready"]);
    });

    it("fails with the last words of a gateway that cannot start", async () => {
      const state = { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } };
      const lastState = { terminated: { exitCode: 1, reason: "Error" } };
      addPod("chat-1", {
        status: {
          containerStatuses: [{ name: "gateway", restartCount: 2, state, lastState }],
        } as unknown as Pod["status"],
      });
      double.setLog("chat-1", "error: no model file at '/models/x.gguf'\n");
      addEvent("warned", {
        type: "Warning",
        reason: "BackOff",
        message: "Back-off restarting failed container",
        involvedObject: { uid: uidOf("chat-1") },
      });
      await expect(wait(() => {})).rejects.toMatchObject({
        code: "DEPLOY_NOT_READY",
        message: expect.stringMatching(
          /Pod\/chat-1: CrashLoopBackOff: back-off 10s, it ended with code 1 \(Error\); its last words: error: no model file at '\/models\/x\.gguf'; warning: BackOff: Back-off/,
        ),
      });
    });

    it("fails with what is missing when the time is over", async () => {
      addPod("chat-1", {
        status: {
          phase: "Pending",
          conditions: [{ type: "Ready", status: "False", message: "0/1 nodes are available" }],
        },
      });
      setStatus({ replicas: 1, updatedReplicas: 1 });
      const late = new AbortController();
      await expect(wait(() => late.abort(), late.signal)).rejects.toMatchObject({
        code: "DEPLOY_NOT_READY",
        message: expect.stringContaining(
          "the time is over, 0 of 1 gateways are ready; Pending, 0/1 nodes are available",
        ),
      });
    });
  });

  describe("its status", () => {
    it("tells gateways, functions and warnings", async () => {
      const resources = { limits: { memory: "512Mi" } };
      addPod("chat-1", { status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } });
      addPod("chat-main", {
        component: "function",
        metadata: {
          labels: { ...commonLabels("chat", "function"), "remoe.dev/role": "main" },
          annotations: { "remoe.dev/function": "main" },
        },
        spec: { nodeName: "n1", containers: [{ name: "function", resources }] },
      });
      addEvent("about-it", {
        ...{ type: "Warning", reason: "Unhealthy", message: "not ready" },
        involvedObject: { kind: "Pod", name: "chat-1", uid: uidOf("chat-1") },
      });
      addEvent("about-others", {
        type: "Warning",
        reason: "Other",
        involvedObject: { kind: "Pod", name: "x", uid: "y" },
      });
      setStatus({ replicas: 1, updatedReplicas: 1, availableReplicas: 1 });
      expect(await readStatus(cluster, "chat")).toMatchObject({
        rollout: { state: "done" },
        gateways: [{ pod: "chat-1", role: "gateway", function: null, state: "Running", ready: true }],
        functions: [{ pod: "chat-main", role: "main", function: "main", memoryMb: 512, node: "n1" }],
        warnings: [{ object: "Pod/chat-1", reason: "Unhealthy", message: "not ready" }],
      });
    });
  });

  describe("its logs", () => {
    const running = {
      containerStatuses: [{ name: "a", containerID: "c", state: { running: {} } }],
    } as unknown as Pod["status"];
    const read = async (functions: boolean): Promise<readonly string[]> => {
      const lines: string[] = [];
      const onLine = (pod: string, line: string): void => void lines.push(`${pod}: ${line}`);
      await readLogs(cluster, "chat", { functions, tailLines: 10, onLine });
      return lines;
    };

    it("are those of gateways, and of functions where they are wanted", async () => {
      addPod("chat-1", { status: running });
      addPod("chat-main", { component: "function", status: running });
      addPod("chat-2");
      double.setLog("chat-1", "one\ntwo\n");
      double.setLog("chat-main", "three\n");
      expect(await read(false)).toEqual(["chat-1: one", "chat-1: two"]);
      expect(await read(true)).toEqual(["chat-1: one", "chat-1: two", "chat-main: three"]);
    });

    it("are followed on pods that come later", async () => {
      const stop = new AbortController();
      const heard = new Promise<string>((resolve) => {
        const onLine = (pod: string, line: string): void => resolve(`${pod}: ${line}`);
        void followLogs(cluster, "chat", { functions: false, tailLines: 10, onLine, signal: stop.signal });
      });
      double.setLog("chat-1", "one\n");
      addPod("chat-1", { status: running });
      expect(await heard).toBe("chat-1: one");
      stop.abort();
    });
  });
});

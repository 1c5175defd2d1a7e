import { resolve } from "node:path";
import { type IPod, Pod as OfficialPod } from "kubernetes-models/v1/Pod";
import { describe, expect, it } from "vitest";
import type { FunctionStart, MainProgram } from "../../functions/spec.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import type { FunctionSpec } from "../platform.ts";
import type { FunctionObjectOptions } from "./function-object.ts";
import { functionPod } from "./function-pod.ts";
import type { KubernetesSettings } from "./settings.ts";

const EXPERTS: FunctionSpec = {
  name: "experts-0-5",
  program: { role: "experts", model: "/models/a.gguf", threads: 1, experts: [[0]] },
  memoryMb: 300.5,
  vcpus: 0.2934,
  concurrency: 4,
};
const MAIN_PROGRAM: MainProgram = {
  role: "main",
  model: "/models/a.gguf",
  contextLength: 512,
  parallel: 1,
  threads: 2,
  numerics: "default",
  device: null,
  experts: null,
};

const OPTIONS: FunctionObjectOptions = {
  name: "remoe-experts-0-5-1-abc",
  settings: { image: "remoe:1" },
  secretName: "keys",
  gateway: "gateway-1",
  owner: { apiVersion: "v1", kind: "Pod", name: "gateway-1", uid: "11111111-2222-3333-4444-555555555555" },
  environment: { EXTRA: "1" },
};

const withSettings = (settings: Partial<KubernetesSettings>, spec = EXPERTS): Pod =>
  functionPod(spec, { ...OPTIONS, settings: { ...OPTIONS.settings, ...settings } });
const containerOf = ({ spec }: Pod) => spec?.containers[0];

function startOf(pod: Pod): FunctionStart {
  const variable = containerOf(pod)?.env?.find(({ name }) => name === "REMOE_FUNCTION");
  return JSON.parse(variable?.value ?? "{}") as FunctionStart;
}

const FULL: KubernetesSettings = {
  image: "registry.example/remoe:1",
  imagePullPolicy: "IfNotPresent",
  imagePullSecrets: ["pull"],
  labels: { team: "a" },
  serviceAccountName: "functions",
  modelVolume: { mountPath: "/models", subPath: "olmoe", source: { persistentVolumeClaim: { claimName: "models" } } },
  nodeSelector: { disk: "fast" },
  tolerations: [{ key: "gpu", operator: "Exists", effect: "NoSchedule" }],
  priorityClassName: "high",
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" },
  ],
  runtimeClassName: "nvidia",
};

describe("the pod of a function", () => {
  it.each([
    ["with an image only", functionPod(EXPERTS, OPTIONS)],
    ["with all settings", withSettings(FULL)],
  ])("is one by the official schema, %s", (_, pod) => {
    expect(() => new OfficialPod(JSON.parse(JSON.stringify(pod)) as IPod).validate()).not.toThrow();
  });

  it("gets what its spec says, no less and no more", () => {
    const resources = { memory: String(300.5 * 2 ** 20), cpu: "293m" };
    expect(containerOf(functionPod(EXPERTS, OPTIONS))?.resources).toEqual({ requests: resources, limits: resources });
  });

  it("gets a GPU if it is a main function that uses a device", () => {
    const spec: FunctionSpec = { ...EXPERTS, program: { ...MAIN_PROGRAM, device: "CUDA0" } };
    expect(containerOf(functionPod(spec, OPTIONS))?.resources?.limits).toMatchObject({ "nvidia.com/gpu": "1" });
    const other = containerOf(withSettings({ gpuResource: "amd.com/gpu" }, spec));
    expect(other?.resources?.requests).toMatchObject({ "amd.com/gpu": "1" });
    const without = containerOf(functionPod({ ...spec, program: MAIN_PROGRAM }, OPTIONS));
    expect(Object.keys(without?.resources?.limits ?? {})).toEqual(["memory", "cpu"]);
  });

  it("has no rights", () => {
    const { spec } = functionPod(EXPERTS, OPTIONS);
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    });
    expect(spec?.containers[0]?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("reads its secrets from a Secret, and nothing else of it can be seen in the pod", () => {
    const { env } = containerOf(functionPod(EXPERTS, OPTIONS)) ?? {};
    const fromSecret = env?.filter(({ valueFrom }) => valueFrom !== undefined);
    expect(fromSecret).toMatchObject([
      { name: "REMOE_FUNCTION_SECRET", valueFrom: { secretKeyRef: { name: "keys", key: "function-secret" } } },
      { name: "REMOE_MODEL_TOKEN", valueFrom: { secretKeyRef: { key: "model-token", optional: true } } },
    ]);
    expect(startOf(functionPod(EXPERTS, OPTIONS))).not.toHaveProperty("secret");
    expect(env).toContainEqual({ name: "EXTRA", value: "1" });
  });

  it("goes with its owner, is never started again, and says whose it is", () => {
    const { metadata, spec } = withSettings({ labels: { team: "a", "app.kubernetes.io/instance": "prod" } });
    expect(metadata?.ownerReferences).toEqual([OPTIONS.owner]);
    expect(spec?.restartPolicy).toBe("Never");
    expect(metadata?.labels).toEqual({
      "app.kubernetes.io/name": "remoe",
      "app.kubernetes.io/instance": "prod",
      "app.kubernetes.io/component": "function",
      "app.kubernetes.io/managed-by": "remoe",
      "remoe.dev/role": "experts",
      "remoe.dev/gateway": "gateway-1",
      team: "a",
    });
    expect(metadata?.annotations).toMatchObject({ "remoe.dev/function": "experts-0-5" });
  });

  it("has the same mark as another one of an equal spec, and another one than all others", () => {
    const markOf = (spec: FunctionSpec) => functionPod(spec, OPTIONS).metadata?.annotations?.["remoe.dev/spec"];
    expect(markOf({ ...EXPERTS })).toBe(markOf(EXPERTS));
    expect(markOf({ ...EXPERTS, memoryMb: 301 })).not.toBe(markOf(EXPERTS));
  });

  it("mounts the model read-only", () => {
    const { spec } = withSettings(FULL);
    expect(spec?.volumes).toEqual([{ name: "model", persistentVolumeClaim: { claimName: "models" } }]);
    expect(spec?.containers[0]?.volumeMounts).toEqual([
      { name: "model", mountPath: "/models", subPath: "olmoe", readOnly: true },
    ]);
  });

  it.each([
    ["/models/a.gguf", "/models/a.gguf"],
    ["models/a.gguf", resolve("models/a.gguf")],
    ["https://models.example/a.gguf", "https://models.example/a.gguf"],
  ])("finds the model %s at %s", (model, location) => {
    const spec = { ...EXPERTS, program: { ...EXPERTS.program, model } };
    expect(startOf(functionPod(spec, OPTIONS)).program.model).toBe(location);
  });

  it("listens for the main function and for its gateway, which it ends without", () => {
    expect(startOf(functionPod(EXPERTS, OPTIONS))).toMatchObject({
      listen: "tcp://0.0.0.0:7070",
      control: { listen: "tcp://0.0.0.0:7071", graceMs: 30_000, failureFile: "/dev/termination-log" },
    });
  });
});

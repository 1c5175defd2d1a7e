import { type IService, Service as OfficialService } from "@kubernetes-models/knative/serving.knative.dev/v1/Service";
import { describe, expect, it } from "vitest";
import type { FunctionStart, MainProgram } from "../../functions/spec.ts";
import type { KnativeService } from "../../kubernetes/knative-service.ts";
import type { FunctionSpec } from "../platform.ts";
import { functionPod } from "./function-pod.ts";
import { type FunctionServiceOptions, functionService } from "./function-service.ts";

const EXPERTS: FunctionSpec = {
  name: "experts-0-5",
  program: { role: "experts", model: "/models/a.gguf", threads: 1, experts: [[0]] },
  memoryMb: 300.5,
  vcpus: 0.2934,
  concurrency: 1_024,
};
const MAIN_PROGRAM: MainProgram = {
  role: "main",
  model: "/models/a.gguf",
  contextLength: 512,
  parallel: 2,
  threads: 2,
  numerics: "default",
  device: null,
  experts: null,
};
const MAIN: FunctionSpec = { name: "main", program: MAIN_PROGRAM, memoryMb: 1_024, vcpus: 1, concurrency: 2 };

const OPTIONS: FunctionServiceOptions = {
  name: "remoe-experts-0-5-1-abc",
  settings: { image: "remoe:1" },
  secretName: "keys",
  gateway: "gateway-1",
  owner: { apiVersion: "v1", kind: "Pod", name: "gateway-1", uid: "11111111-2222-3333-4444-555555555555" },
  environment: { EXTRA: "1" },
  startTimeoutMs: 300_000,
  keepAliveMs: 90_500,
};

const templateOf = ({ spec }: KnativeService) => spec?.template;
const containerOf = (service: KnativeService) => templateOf(service)?.spec?.containers[0];
const annotationsOf = (service: KnativeService) => templateOf(service)?.metadata?.annotations;

function startOf(service: KnativeService): FunctionStart {
  const variable = containerOf(service)?.env?.find(({ name }) => name === "REMOE_FUNCTION");
  return JSON.parse(variable?.value ?? "{}") as FunctionStart;
}

describe("the Service of a function", () => {
  it.each([
    ["experts", functionService(EXPERTS, OPTIONS)],
    ["main", functionService(MAIN, OPTIONS)],
    [
      "main, with all settings",
      functionService(MAIN, {
        ...OPTIONS,
        settings: {
          image: "registry.example/remoe:1",
          imagePullPolicy: "IfNotPresent",
          imagePullSecrets: ["pull"],
          labels: { team: "a" },
          serviceAccountName: "functions",
          modelVolume: { mountPath: "/models", source: { persistentVolumeClaim: { claimName: "models" } } },
          nodeSelector: { disk: "fast" },
          tolerations: [{ key: "gpu", operator: "Exists", effect: "NoSchedule" }],
          runtimeClassName: "nvidia",
        },
      }),
    ],
  ])("is one by Knative's schema: %s", (_role, service) => {
    expect(() => new OfficialService(JSON.parse(JSON.stringify(service)) as IService).validate()).not.toThrow();
  });

  it("has one instance, and none some time after the last call", () => {
    expect(annotationsOf(functionService(EXPERTS, OPTIONS))).toMatchObject({
      "autoscaling.knative.dev/min-scale": "0",
      "autoscaling.knative.dev/max-scale": "1",
      "autoscaling.knative.dev/scale-to-zero-pod-retention-period": "91s",
    });
    const forever = functionService(EXPERTS, { ...OPTIONS, keepAliveMs: 86_400_000 });
    expect(annotationsOf(forever)?.["autoscaling.knative.dev/scale-to-zero-pod-retention-period"]).toBe("3600s");
  });

  it("has as long to start as the settings say", () => {
    expect(annotationsOf(functionService(MAIN, OPTIONS))?.["serving.knative.dev/progress-deadline"]).toBe("300s");
  });

  it("lets the requests of all its leases through, where Knative can count that far", () => {
    expect(templateOf(functionService(MAIN, OPTIONS))?.spec?.containerConcurrency).toBe(16);
    expect(templateOf(functionService(EXPERTS, OPTIONS))?.spec?.containerConcurrency).toBe(0);
  });

  it("can be reached in the cluster only, at one port, which is ready when it answers", () => {
    const service = functionService(EXPERTS, OPTIONS);
    expect(service.metadata?.labels).toMatchObject({ "networking.knative.dev/visibility": "cluster-local" });
    expect(containerOf(service)).toMatchObject({
      ports: [{ name: "http1", containerPort: 8080 }],
      readinessProbe: { httpGet: { path: "/readyz" } },
    });
    expect(startOf(service)).toMatchObject({ listen: "http://0.0.0.0:8080", control: null });
  });

  it("gives its process what a pod of its own would: resources, secrets, no rights", () => {
    const container = containerOf(functionService(EXPERTS, OPTIONS));
    const pod = functionPod(EXPERTS, OPTIONS).spec;
    const [inPod] = pod?.containers ?? [];
    expect(container?.resources).toEqual(inPod?.resources);
    expect(container?.env?.slice(1)).toEqual(inPod?.env?.slice(1));
    expect(container?.securityContext).toEqual({ ...pod?.securityContext, ...inPod?.securityContext });
    expect(templateOf(functionService(EXPERTS, OPTIONS))?.spec?.automountServiceAccountToken).toBe(false);
  });

  it("goes with its owner, and says whose it is, as its pods do", () => {
    const service = functionService(EXPERTS, OPTIONS);
    const { metadata } = functionPod(EXPERTS, OPTIONS);
    expect(service.metadata?.ownerReferences).toEqual([OPTIONS.owner]);
    expect(service.metadata?.labels).toMatchObject(metadata?.labels ?? {});
    expect(templateOf(service)?.metadata?.labels).toEqual(metadata?.labels);
    expect(annotationsOf(service)).toMatchObject(metadata?.annotations ?? {});
  });
});

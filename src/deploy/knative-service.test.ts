import { describe, expect, it } from "vitest";
import {
  CONFIG_MAP,
  type ConfigMap,
  type Kind,
  type KubernetesObject,
  ROLE,
  SERVICE_ACCOUNT,
} from "../kubernetes/kinds.ts";
import type { KnativeService } from "../kubernetes/knative-service.ts";
import { parseKubernetesSettings } from "../platform/kubernetes/settings.ts";
import { type DeployOptions, SETTINGS_FILE } from "./deploy-options.ts";
import type { ManifestOf } from "./manifest.ts";
import { renderManifests } from "./render.ts";
import { SAMPLE_KEYS, sampleOptions } from "./testing/sample-options.ts";
import { validateManifest } from "./testing/validate-manifest.ts";
import { toYaml } from "./to-yaml.ts";

const render = (changed: Partial<DeployOptions> = {}) =>
  renderManifests(sampleOptions({ knative: true, ...changed }), { keys: SAMPLE_KEYS, disruptionBudgets: true });
const service = (changed: Partial<DeployOptions> = {}) => render(changed).at(-1) as ManifestOf<KnativeService>;

describe("a deployment with Knative", () => {
  it("has its gateways as this Service", async () => {
    await expect(toYaml(service())).toMatchFileSnapshot("testing/knative-service.yaml");
  });

  it("fits Knative's schema", () => {
    for (const manifest of render({ replicas: 2, serviceType: "LoadBalancer" })) {
      expect(() => validateManifest(manifest)).not.toThrow();
    }
  });

  it("leaves to Knative what Knative makes itself", () => {
    expect(render({ replicas: 2 }).map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
      "v1 ServiceAccount",
      "v1 ServiceAccount",
      "rbac.authorization.k8s.io/v1 Role",
      "rbac.authorization.k8s.io/v1 RoleBinding",
      "v1 Secret",
      "v1 ConfigMap",
      "serving.knative.dev/v1 Service",
    ]);
  });

  const find = <T extends KubernetesObject>({ kind }: Kind<T>): T | undefined =>
    render().find((manifest) => manifest.kind === kind) as T | undefined;

  it("tells its gateways to make their functions Services of Knative, and allows no more than that", () => {
    const file = find<ConfigMap>(CONFIG_MAP)?.data?.[SETTINGS_FILE] ?? "";
    expect(parseKubernetesSettings(JSON.parse(file), SETTINGS_FILE).functions).toBe("knative-services");
    const verbs = ["list", "watch", "create", "delete"];
    expect(find(ROLE)?.rules).toEqual([{ apiGroups: ["serving.knative.dev"], resources: ["services"], verbs }]);
  });

  it("gives its gateways their account's token without their asking, which Knative refuses", () => {
    expect(service().spec?.template.spec).not.toHaveProperty("automountServiceAccountToken");
    expect(find(SERVICE_ACCOUNT)?.automountServiceAccountToken).toBe(true);
  });

  it("is seen from outside of the cluster only where that was asked for", () => {
    const visibility = (serviceType: DeployOptions["serviceType"]) =>
      service({ serviceType }).metadata.labels?.["networking.knative.dev/visibility"];
    expect([visibility("ClusterIP"), visibility("LoadBalancer")]).toEqual(["cluster-local", undefined]);
  });

  it("may say where gateways run", () => {
    const { spec } = service({ gateway: { nodeSelector: { pool: "small" } } });
    expect(spec?.template.spec?.nodeSelector).toEqual({ pool: "small" });
  });

  it.each([
    ["node ports", { serviceType: "NodePort" }, "Knative has no node ports"],
    [
      "a folder of the node",
      { functions: { modelVolume: { mountPath: "/models", source: { hostPath: { path: "/m" } } } } },
      "Knative mounts no volume of the kind hostPath",
    ],
  ] as const)("refuses %s", (_what, changed, problem) => {
    expect(() => render(changed)).toThrow(problem);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import type { ConfigMap, Deployment, NetworkPolicy, Role, Service } from "../kubernetes/kinds.ts";
import { MODEL_TOKEN_KEY, SECRET_KEY } from "../platform/kubernetes/function-container.ts";
import { CONTROL_PORT, FUNCTION_PORT } from "../platform/kubernetes/function-pod.ts";
import { parseKubernetesSettings } from "../platform/kubernetes/settings.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { redact, SECRET_KEYS } from "./keys.ts";
import type { Manifest } from "./manifest.ts";
import { renderManifests } from "./render.ts";
import { SAMPLE_KEYS, sampleOptions } from "./testing/sample-options.ts";
import { validateManifest } from "./testing/validate-manifest.ts";
import { toYamlStream } from "./to-yaml.ts";

function render(changed: Partial<DeployOptions> = {}): readonly Manifest[] {
  return renderManifests(sampleOptions(changed), { keys: SAMPLE_KEYS, disruptionBudgets: true });
}

function find<T extends Manifest>(manifests: readonly Manifest[], kind: string, name = "chat"): T {
  return manifests.find((each) => each.kind === kind && each.metadata.name === name) as T;
}

const gatewaySpec = (changed: Partial<DeployOptions> = {}) =>
  find<Manifest & Deployment>(render(changed), "Deployment").spec?.template.spec;
const gateway = (changed: Partial<DeployOptions> = {}) => gatewaySpec(changed)?.containers[0];
const checksum = (manifests: readonly Manifest[]) =>
  find<Manifest & Deployment>(manifests, "Deployment").spec?.template.metadata?.annotations?.["remoe.dev/checksum"];

const EVERYTHING: Partial<DeployOptions> = {
  replicas: 3,
  imagePullSecrets: ["registry"],
  history: { type: "claim", claim: "past" },
  serviceType: "LoadBalancer",
  files: { "plan.json": "{}" },
  environment: { HTTPS_PROXY: "http://proxy:3128" },
  labels: { team: "language" },
  gateway: { nodeSelector: { pool: "small" }, priorityClassName: "high", tolerations: [{ operator: "Exists" }] },
  functions: {
    modelVolume: {
      mountPath: "/models",
      subPath: "a",
      source: { nfs: { server: "files", path: "/m", readOnly: true } },
    },
    gpuResource: "amd.com/gpu",
  },
};

describe("the manifests of a deployment", () => {
  it("are these", async () => {
    await expect(toYamlStream(render().map(redact))).toMatchFileSnapshot("testing/manifests.yaml");
  });

  it.each([
    ["the usual options", {}],
    ["every option", EVERYTHING],
    ["no protection, a Secret of the user, the image's model", { protected: false, secretName: "own", model: null }],
  ])("fit the official schemas with %s", (_what, changed) => {
    for (const manifest of render(changed)) expect(() => validateManifest(manifest)).not.toThrow();
  });

  it("say whose they are", () => {
    for (const { metadata } of render(EVERYTHING)) {
      expect(metadata.namespace).toBe("models");
      expect(metadata.labels).toMatchObject({
        "app.kubernetes.io/name": "remoe",
        "app.kubernetes.io/instance": "chat",
        "app.kubernetes.io/managed-by": "remoe",
        "app.kubernetes.io/component": expect.stringMatching(/^(gateway|function)$/),
        team: "language",
      });
    }
  });

  it("are equal for equal options", () => {
    expect(JSON.stringify(render(EVERYTHING))).toBe(JSON.stringify(render(EVERYTHING)));
  });

  it("name the protocol of every port, which Kubernetes 1.20 insists on", () => {
    const { spec } = find<Manifest & Service>(render(), "Service");
    expect(spec?.ports?.every(({ protocol }) => protocol === "TCP")).toBe(true);
    expect(gateway()?.ports?.every(({ protocol }) => protocol === "TCP")).toBe(true);
  });

  it("have a budget for disruptions where there is more than one gateway and the cluster knows budgets", () => {
    const budgets = (replicas: number, disruptionBudgets: boolean) =>
      renderManifests(sampleOptions({ replicas }), { keys: null, disruptionBudgets }).filter(
        ({ kind }) => kind === "PodDisruptionBudget",
      ).length;
    expect([budgets(2, true), budgets(1, true), budgets(2, false)]).toEqual([1, 0, 0]);
  });
});

describe("the gateway's pod", () => {
  it("can do nothing that it need not", () => {
    expect(gatewaySpec()?.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(gateway()?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("has longer to end than requests have", () => {
    expect(gatewaySpec({ drainMs: 120_500 })?.terminationGracePeriodSeconds).toBeGreaterThan(121);
  });

  it("gets no variables of Services, which would be taken for flags", () => {
    expect(gatewaySpec()?.enableServiceLinks).toBe(false);
  });

  it("hands on the flags of `serve`", () => {
    expect(gateway({ serveArguments: ["--slo-ttft", "500ms"] })?.args?.slice(-2)).toEqual(["--slo-ttft", "500ms"]);
  });

  it("lets everybody in only where that was asked for", () => {
    const hasKey = (isProtected: boolean) =>
      gateway({ protected: isProtected })?.env?.some(({ name }) => name === "REMOE_API_KEY");
    expect([hasKey(true), hasKey(false)]).toEqual([true, false]);
    expect(gateway({ protected: false })?.args).toContain("--allow-unprotected");
    expect(gateway()?.args).not.toContain("--allow-unprotected");
  });

  it.each([
    ["a flag", { serveArguments: ["--parallel", "4"] }],
    ["a file", { files: { "plan.json": "{}" } }],
    ["a setting of functions", { functions: { gpuResource: "amd.com/gpu" } }],
    ["the image", { image: "registry.example/remoe:2" }],
  ])("is another one after a change of %s", (_what, changed) => {
    expect(checksum(render(changed))).not.toBe(checksum(render()));
  });

  it("is another one after a change of the key, which the checksum does not give away", () => {
    const withKey = (apiKey: string) =>
      checksum(renderManifests(sampleOptions(), { keys: { ...SAMPLE_KEYS, apiKey }, disruptionBudgets: true }));
    expect(withKey("a")).not.toBe(withKey("b"));
  });

  it("is the same after a change that does not concern it", () => {
    expect(checksum(render({ replicas: 2, serviceType: "NodePort" }))).toBe(checksum(render()));
  });
});

describe("the settings of functions", () => {
  it("carry what the deployment decides", () => {
    const { data } = find<Manifest & ConfigMap>(render({ labels: { team: "language" } }), "ConfigMap");
    expect(JSON.parse(data?.["kubernetes.json"] ?? "")).toMatchObject({
      namespace: "models",
      image: "registry.example/remoe:1",
      secretName: "chat",
      serviceAccountName: "chat-functions",
      labels: { "app.kubernetes.io/instance": "chat", team: "language" },
      modelVolume: { mountPath: "/models" },
    });
  });
});

describe("what functions are made of", () => {
  it("is what the manifests provide", () => {
    expect(Object.values(SECRET_KEYS)).toEqual(expect.arrayContaining([SECRET_KEY, MODEL_TOKEN_KEY]));
    const ports = JSON.stringify(find(render(), "NetworkPolicy", "chat-functions")).matchAll(/"port":(\d+)/g);
    expect([...ports].map(([, port]) => Number(port))).toEqual([FUNCTION_PORT, CONTROL_PORT]);
  });

  it("is what settings may be", () => {
    const { data } = find<Manifest & ConfigMap>(render(EVERYTHING), "ConfigMap");
    const settings = parseKubernetesSettings(JSON.parse(data?.["kubernetes.json"] ?? ""), "kubernetes.json");
    expect(settings.historyLease).toBe("chat-history");
  });
});

describe("rights", () => {
  it("are of one namespace, and about pods only", () => {
    expect(render().map(({ kind }) => kind)).not.toContain("ClusterRole");
    expect(find<Manifest & Role>(render(), "Role").rules).toEqual([
      { apiGroups: [""], resources: ["pods"], verbs: ["list", "watch", "create", "delete"] },
    ]);
  });

  it("include Leases where gateways share a history", () => {
    const { rules } = find<Manifest & Role>(render({ history: { type: "claim", claim: "past" } }), "Role");
    expect(rules?.map(({ resources }) => resources)).toEqual([["pods"], ["leases"]]);
  });

  it("let nobody but the gateways and main functions of the deployment call its functions", () => {
    const { spec } = find<Manifest & NetworkPolicy>(render(), "NetworkPolicy", "chat-functions");
    const peers = spec?.ingress?.[0] as {
      readonly from: readonly { readonly podSelector: { readonly matchLabels: object } }[];
    };
    expect(peers.from.map(({ podSelector }) => podSelector.matchLabels)).toEqual([
      expect.objectContaining({ "app.kubernetes.io/instance": "chat", "app.kubernetes.io/component": "gateway" }),
      expect.objectContaining({ "app.kubernetes.io/instance": "chat", "remoe.dev/role": "main" }),
    ]);
  });
});

describe("keys", () => {
  it("are in the Secret, and nowhere else", () => {
    const others = render().filter(({ kind }) => kind !== "Secret");
    const shown = toYamlStream([...others, ...render().map(redact)]);
    for (const key of Object.values(SAMPLE_KEYS)) {
      expect(shown).not.toContain(key);
      expect(shown).not.toContain(Buffer.from(key).toString("base64"));
    }
  });

  it("are not rendered where the user has a Secret", () => {
    const manifests = render({ secretName: "own" });
    expect(manifests.map(({ kind }) => kind)).not.toContain("Secret");
    expect(JSON.stringify(manifests)).toContain('"secretKeyRef":{"name":"own","key":"function-secret"}');
  });
});

describe("options", () => {
  it("of any kind are rendered to what the schemas take, or refused by name", () => {
    const changed = fc.record(
      {
        name: fc.oneof(fc.stringMatching(/^[a-z][a-z0-9-]{0,50}$/), fc.string()),
        namespace: fc.oneof(fc.stringMatching(/^[a-z0-9-]{1,70}$/), fc.string()),
        image: fc.string(),
        model: fc.oneof(
          fc.webUrl(),
          fc.string().map((path) => `/${path}`),
          fc.string(),
        ),
        labels: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
        files: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
        serveArguments: fc.array(fc.string(), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(changed, (options) => {
        const manifests = renderOrRefuse(options);
        for (const manifest of manifests) validateManifest(manifest);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  function renderOrRefuse(options: Partial<DeployOptions>): readonly Manifest[] {
    try {
      return render(options);
    } catch (error) {
      expect(isRemoeError(error) && error.code).toBe("DEPLOY_INVALID");
      return [];
    }
  }

  it.each([
    ["name", { name: "Chat" }, "its name must be of at most 40"],
    ["model", { model: "models/a.gguf" }, "must be an absolute path in the container or a URL"],
    ["amount", { resources: { memoryMb: 1024, cpus: -1 } }, "its gateways need processors and memory"],
    ["variable", { environment: { "A-B": "c" } }, "'A-B' is no name of a variable"],
    ["label", { labels: { "a b": "c" } }, "'a b=c' is no label"],
    ["file", { files: { "kubernetes.json": "" } }, "'kubernetes.json' cannot be a file"],
    ["size", { files: { "profile.json": "x".repeat(1_000_001) } }, "a ConfigMap takes 1000000"],
  ])("with a wrong %s are refused", (_what, changed, problem) => {
    expect(() => render(changed)).toThrow(problem);
  });
});

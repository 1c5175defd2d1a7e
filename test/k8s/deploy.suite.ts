import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parseAllDocuments } from "yaml";
import { renderChart } from "../../src/deploy/chart.ts";
import type { DeployOptions } from "../../src/deploy/deploy-options.ts";
import { SECRET_KEYS } from "../../src/deploy/keys.ts";
import type { Manifest } from "../../src/deploy/manifest.ts";
import { renderManifests } from "../../src/deploy/render.ts";
import { describeDeployments } from "../../src/deploy/testing/deployment-contract.ts";
import { sampleOptions } from "../../src/deploy/testing/sample-options.ts";
import { POD } from "../../src/kubernetes/kinds.ts";
import { commonLabels } from "../../src/kubernetes/labels.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";
import { type RunResult, runRemoe } from "../run-remoe.ts";
import { buildStandInGateway } from "../testing/stand-in-gateway-image.ts";
import { listEverything } from "./testing/list-everything.ts";

const contract = await openTestCluster("deployments");
describeDeployments("deployments in a real cluster", contract.open, { skipReason: contract.missing });

const test = await openTestCluster("deploy");
const { missing, namespace } = test;
const cluster = await test.open();
afterAll(async () => {
  cluster.close();
  await Promise.all([test.close(), contract.close()]);
});

const kubectl = async (...words: readonly string[]): Promise<string> =>
  (await promisify(execFile)("kubectl", ["--namespace", namespace, ...words])).stdout;

const IMAGE = "remoe-stand-in-gateway:test";
const SMALL = ["--image-pull-policy", "Never", "--gateway-cpus", "0.05", "--gateway-memory", "128MiB"];

const remoe = (command: readonly string[], ...flags: readonly string[]): Promise<RunResult> =>
  runRemoe([...command, "chat", "-n", namespace, ...flags], { env: { KUBECONFIG: process.env["KUBECONFIG"] ?? "" } });
const deploy = (...flags: readonly string[]): Promise<RunResult> =>
  remoe(["deploy", "k8s"], "--image", IMAGE, ...SMALL, ...flags);
const succeeded = { code: 0 };

describe.skipIf(missing !== null)(`remoe deploy k8s${missing === null ? "" : ` (${missing})`}`, () => {
  let before: readonly string[];
  beforeAll(async () => {
    await buildStandInGateway(IMAGE);
    before = await listEverything(namespace);
    expect(await deploy("--parallel", "1")).toMatchObject(succeeded);
  });

  it("has a gateway running that is told what the flags say", async () => {
    const status = JSON.parse((await remoe(["status"], "--json")).stdout);
    expect(status).toMatchObject({ revision: { number: 1 }, rollout: { state: "done" }, functions: [] });
    const [gateway] = status.gateways as readonly { readonly pod: string; readonly ready: boolean }[];
    expect(gateway?.ready).toBe(true);
    const { stdout } = await remoe(["logs"]);
    expect(stdout).toBe(
      `${gateway?.pod} | started as serve --platform kubernetes --kubernetes-settings /etc/remoe/kubernetes.json --host 0.0.0.0 --port 8000 --parallel 1\n`,
    );
  });

  it("gives the gateway its rights, and no more", async () => {
    const may = async (verb: string, resource: string, account: string): Promise<string> => {
      const user = `--as=system:serviceaccount:${namespace}:${account}`;
      return (
        await kubectl("auth", "can-i", verb, resource, user).catch(({ stdout }: { stdout: string }) => stdout)
      ).trim();
    };
    expect(await Promise.all(["create", "delete", "watch"].map((verb) => may(verb, "pods", "chat")))).toEqual([
      "yes",
      "yes",
      "yes",
    ]);
    expect(await Promise.all(["secrets", "configmaps"].map((kind) => may("get", kind, "chat")))).toEqual(["no", "no"]);
    expect(await may("get", "pods", "chat-functions")).toBe("no");
  });

  it("shows no difference to what runs, and those to what would", async () => {
    expect(await deploy("--parallel", "1", "--diff")).toMatchObject({ code: 0, stdout: "" });
    const changed = await deploy("--parallel", "2", "--diff");
    expect(changed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^-\s+- "1"\n\+\s+- "2"\n/m) });
  });

  it("replaces the gateways of one revision by those of the next", async () => {
    expect(JSON.parse((await deploy("--parallel", "2", "--json")).stdout)).toMatchObject({ revision: 2, gateways: 1 });
    const pods = await cluster.list(POD, { labels: commonLabels("chat", "gateway") });
    const staying = pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    expect(staying.map(({ spec }) => spec?.containers[0]?.args?.at(-1))).toEqual(["2"]);
  });

  it("says why a gateway does not start, and goes back", async () => {
    const failed = await deploy("--device", "broken");
    expect(failed).toMatchObject({ code: 5 });
    expect(failed.stderr).toMatch(
      /the deployment 'chat' is not ready: Pod\/chat-\S+: .*it ended with code 1.*there is no compute device 'broken'/s,
    );
    expect(JSON.parse((await remoe(["rollback"], "--json")).stdout)).toMatchObject({ revision: 4, gateways: 1 });
    expect(await deploy("--parallel", "2", "--diff")).toMatchObject({ code: 0 });
  });

  it("says what nobody has room for when the time is over", async () => {
    const failed = await deploy("--gateway-cpus", "1000", "--timeout", "3s");
    expect(failed.stderr).toMatch(/the time is over, 1 old gateways are ending|the time is over, .*Insufficient cpu/);
    expect(await remoe(["rollback"])).toMatchObject(succeeded);
  });

  it("does not take fields that others have set, unless it is told to", async () => {
    await kubectl(
      "patch",
      "service",
      "chat",
      "--type=merge",
      "-p",
      '{"spec":{"type":"NodePort"}}',
      "--field-manager=somebody",
    );
    const refused = await deploy("--parallel", "2");
    expect(refused).toMatchObject({ code: 5 });
    expect(refused.stderr).toContain(`Service/chat: conflict with "somebody" using v1: .spec.type`);
    expect(await deploy("--parallel", "2", "--force-conflicts")).toMatchObject(succeeded);
    expect(await kubectl("get", "service", "chat", "-o", "jsonpath={.spec.type}")).toBe("ClusterIP");
  });

  it("removes all that it made, functions included", async () => {
    const [gateway] = await cluster.list(POD, { labels: commonLabels("chat", "gateway") });
    const { name = "", uid = "" } = gateway?.metadata ?? {};
    await cluster.create({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "chat-main-1",
        labels: { ...commonLabels("chat", "function"), "remoe.dev/role": "main" },
        ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid }],
      },
      spec: {
        containers: [
          { name: "function", image: IMAGE, imagePullPolicy: "Never", command: ["/bin/node", "/app/remoe.mjs"] },
        ],
      },
    });
    await vi.waitFor(
      async () => expect((await cluster.read(POD, "chat-main-1"))?.status?.phase).toBe("Running"),
      60_000,
    );
    expect(JSON.parse((await remoe(["status"], "--json")).stdout).functions).toMatchObject([
      { pod: "chat-main-1", role: "main" },
    ]);
    expect(await remoe(["undeploy"])).toMatchObject(succeeded);
    expect(await listEverything(namespace)).toEqual(before);
    expect(await remoe(["status"])).toMatchObject({ code: 3 });
  });
});

describe.skipIf(missing !== null)("manifests in files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "remoe-manifests-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const read = (yaml: string): readonly Manifest[] =>
    parseAllDocuments(yaml).flatMap((document) => (document.toJSON() as Manifest | null) ?? []);
  const byName = (manifests: readonly Manifest[]): ReadonlyMap<string, Manifest> =>
    new Map(manifests.map((manifest) => [`${manifest.kind}/${manifest.metadata.name}`, manifest]));

  it("are taken by kubectl kustomize, and by the API", async () => {
    expect(await deploy("--output-dir", folder)).toMatchObject(succeeded);
    const built = await kubectl("kustomize", folder);
    const printed = read((await deploy("--dry-run")).stdout).filter(({ kind }) => kind !== "Secret");
    const named = byName(read(built));
    // The checksum is about keys, too, which a printed deployment has none of.
    for (const [name, manifest] of byName(printed)) {
      if (!name.startsWith("Deployment")) expect(named.get(name)).toEqual(manifest);
    }
    expect(named.size).toBe(printed.length);
    await rm(join(folder, "pod-disruption-budget-chat.yaml"), { force: true });
    await kubectl("apply", "--dry-run=server", "-k", folder);
  });

  it("are what Go's own template engine makes of the chart", async () => {
    const options = sampleOptions({ namespace, replicas: 2, files: { "plan.json": '{"a": "{{ b }}"}' } });
    const rendered: Manifest[] = [];
    for (const [file, text] of renderChart(options, "1.0.0")) {
      if (file.startsWith("templates/")) rendered.push(...read(await renderTemplate(text, options)));
    }
    const expected = renderManifests(options, { keys: null, disruptionBudgets: true });
    const secret = rendered.find(({ kind }) => kind === "Secret") as Manifest & { readonly stringData: object };
    expect(Object.keys(secret.stringData)).toEqual(Object.values(SECRET_KEYS));
    expect(withoutChecksum(rendered.filter((manifest) => manifest !== secret))).toEqual(withoutChecksum(expected));
  });

  /** kubectl prints any object by a template; this one is what Helm gives to templates. */
  async function renderTemplate(template: string, options: DeployOptions): Promise<string> {
    const [{ image, imagePullPolicy, serviceType, model, replicas, serveArguments }, { resources }] = [
      options,
      options,
    ];
    const object = {
      ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "values" } },
      Release: { Name: options.name, Namespace: namespace, Revision: 1 },
      Values: {
        ...{ image, imagePullPolicy, serviceType, model, replicas, serveArguments, disruptionBudget: true },
        ...{ memoryMb: resources.memoryMb, milliCpus: 1000 * resources.cpus },
        ...{ existingSecret: "", functionSecret: "f", apiKey: "a", modelToken: "t" },
      },
    };
    const [values, file] = [join(folder, "values.json"), join(folder, "template")];
    await Promise.all([writeFile(values, JSON.stringify(object)), writeFile(file, template)]);
    return await kubectl(
      "create",
      "--dry-run=client",
      "--validate=false",
      "-f",
      values,
      "-o",
      `go-template-file=${file}`,
    );
  }

  function withoutChecksum(manifests: readonly Manifest[]): unknown {
    return JSON.parse(JSON.stringify(manifests).replace(/"remoe.dev\/checksum":"\w+"/g, ""));
  }
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { CONFIG_MAP, type ConfigMap, DEPLOYMENT, SECRET, SERVICE } from "../../kubernetes/kinds.ts";
import { commonLabels } from "../../kubernetes/labels.ts";
import { type AppliedRevision, applyRevision } from "../apply-revision.ts";
import type { DeployOptions } from "../deploy-options.ts";
import { diffObjects } from "../diff-objects.ts";
import { DEPLOYED_KINDS, hasKind } from "../kinds.ts";
import type { Manifest } from "../manifest.ts";
import { renderManifests } from "../render.ts";
import { resolveKeys } from "../resolve-keys.ts";
import { findRevision, listRevisions } from "../revisions.ts";
import { readStatus } from "../status.ts";
import { undeploy } from "../undeploy.ts";
import { sampleOptions } from "./sample-options.ts";

export interface ContractOptions {
  /** Why there is no such cluster here. */
  readonly skipReason?: string | null;
}

const GONE_MS = 120_000;
const never = new AbortController().signal;

/**
 * What becomes of a deployment's objects, whatever cluster answers: run against the API double in every run, and against
 * a real API. No gateway has to run for it.
 * @param open a cluster whose default namespace is the test's own; called once, closed by the suite
 */
export function describeDeployments(
  name: string,
  open: () => Promise<Cluster>,
  { skipReason = null }: ContractOptions = {},
): void {
  describe.skipIf(skipReason !== null)(skipReason === null ? name : `${name} (${skipReason})`, () => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await open();
    });
    afterAll(() => cluster.close());

    /** No node has this label: its pods wait and cost nothing, where pods that fail to start are started for ever. */
    const optionsOf = (deployment: string, changed: Partial<DeployOptions>): DeployOptions =>
      sampleOptions({
        name: deployment,
        namespace: cluster.namespace,
        functions: {},
        gateway: { nodeSelector: { "remoe.test/node": "none" } },
        ...changed,
      });
    const render = async (deployment: string, changed: Partial<DeployOptions> = {}): Promise<readonly Manifest[]> => {
      const options = optionsOf(deployment, changed);
      return renderManifests(options, { keys: await resolveKeys(cluster, options), disruptionBudgets: false });
    };
    const apply = (deployment: string, manifests: readonly Manifest[]): Promise<AppliedRevision> =>
      applyRevision(cluster, deployment, { manifests, forceConflicts: false, version: "0.0.1", now: new Date(0) });
    const deploy = async (deployment: string, changed: Partial<DeployOptions> = {}): Promise<AppliedRevision> =>
      apply(deployment, await render(deployment, changed));
    const remove = (deployment: string) =>
      undeploy(cluster, deployment, { late: AbortSignal.timeout(GONE_MS), signal: never });

    describe("a revision", () => {
      it("is recorded with each change, and not without one", async () => {
        const numbers = [];
        for (const parallel of ["1", "1", "2"]) {
          const { revision, isNew } = await deploy("numbered", { serveArguments: ["--parallel", parallel] });
          numbers.push([revision.number, isNew]);
        }
        expect(numbers).toEqual([
          [1, true],
          [1, false],
          [2, true],
        ]);
        expect(await listRevisions(cluster, "numbered")).toMatchObject([
          { number: 1, version: "0.0.1", appliedAt: "1970-01-01T00:00:00.000Z" },
          { number: 2 },
        ]);
      });

      it("has no keys in it", async () => {
        await deploy("silent");
        const secret = await cluster.read(SECRET, "silent");
        const kept = JSON.stringify((await listRevisions(cluster, "silent")).map(({ objects }) => objects));
        const keys = Object.values(secret?.data ?? {});
        expect(keys).toHaveLength(2);
        for (const key of keys) expect(kept).not.toContain(key);
        expect(kept).not.toContain('"kind":"Secret"');
      });

      it("is applied again as a new one when an earlier is wanted", async () => {
        await deploy("back", { serviceType: "NodePort" });
        await deploy("back", { serviceType: "ClusterIP" });
        const { objects } = await findRevision(cluster, "back");
        expect((await apply("back", objects)).revision.number).toBe(3);
        expect((await cluster.read(SERVICE, "back"))?.spec?.type).toBe("NodePort");
      });

      it("is forgotten when ten newer ones are there", async () => {
        for (let parallel = 1; parallel <= 12; parallel++) {
          await deploy("many", { serveArguments: ["--parallel", String(parallel)] });
        }
        const numbers = (await listRevisions(cluster, "many")).map(({ number }) => number);
        expect(numbers).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        await expect(findRevision(cluster, "many", 2)).rejects.toMatchObject({
          code: "DEPLOY_REVISION_UNKNOWN",
          details: { kept: numbers.join(", ") },
        });
      });

      it("removes what the one before had beside it, and nothing of others", async () => {
        const { name: _name, ...metadata } = (await render("pruned"))[0]?.metadata ?? {};
        const extra = (extraName: string): Manifest & ConfigMap => ({
          ...CONFIG_MAP,
          metadata: { ...metadata, namespace: cluster.namespace, name: extraName },
        });
        await apply("pruned", [...(await render("pruned")), extra("pruned-ours"), extra("pruned-taken")]);
        await cluster.remove(CONFIG_MAP, "pruned-taken");
        await cluster.create({ ...CONFIG_MAP, metadata: { name: "pruned-taken" } });
        expect((await deploy("pruned")).pruned).toEqual(["ConfigMap/pruned-ours"]);
        expect(await cluster.read(CONFIG_MAP, "pruned-ours")).toBeNull();
        expect(await cluster.read(CONFIG_MAP, "pruned-taken")).not.toBeNull();
      });
    });

    describe("keys", () => {
      it("stay the same from one revision to the next", async () => {
        await deploy("keyed");
        const before = await cluster.read(SECRET, "keyed");
        await deploy("keyed", { serveArguments: [] });
        expect((await cluster.read(SECRET, "keyed"))?.data).toEqual(before?.data);
      });
    });

    describe("a diff", () => {
      it("is empty after what is compared was applied", async () => {
        await deploy("same");
        expect(await diffObjects(cluster, "same", await render("same"))).toBe("");
      });

      it("names what would change, and what would go", async () => {
        await deploy("other", { serviceType: "NodePort" });
        const changed = (await render("other")).filter(({ metadata }) => metadata.name !== "other-gateway");
        const diff = await diffObjects(cluster, "other", changed);
        expect(diff).toContain("--- live/Service/other\n+++ new/Service/other\n");
        expect(diff).toContain("-  type: NodePort\n+  type: ClusterIP\n");
        expect(diff).toContain("-kind: NetworkPolicy\n");
      });

      it("says that a key changes, and not how", async () => {
        await deploy("hidden");
        const options = optionsOf("hidden", {});
        const keys = await resolveKeys(cluster, options, { apiKey: "the new key" });
        const diff = await diffObjects(cluster, "hidden", renderManifests(options, { keys, disruptionBudgets: false }));
        expect(diff).toContain("-  api-key: <redacted>\n+  api-key: <redacted> and changed\n");
        expect(diff).not.toContain(Buffer.from("the new key").toString("base64"));
      });
    });

    describe("the status", () => {
      it("tells the latest revision", async () => {
        const { revision } = await deploy("told");
        const { number, hash } = revision;
        expect(await readStatus(cluster, "told")).toMatchObject({ name: "told", revision: { number, hash } });
      });

      it("of what is not there is an error", async () => {
        await expect(readStatus(cluster, "nobody")).rejects.toMatchObject({ code: "DEPLOY_NOT_FOUND" });
      });
    });

    describe("the end of a deployment", () => {
      it(
        "leaves nothing of it, and all of others",
        async () => {
          await deploy("ending");
          await deploy("staying");
          const removed = await remove("ending");
          expect(removed).toEqual(
            expect.arrayContaining(["Deployment/ending", "Secret/ending", "ConfigMap/ending-revision-1"]),
          );
          expect(await listLeft("ending")).toEqual([]);
          expect(await cluster.read(DEPLOYMENT, "staying")).not.toBeNull();
          await expect(remove("ending")).rejects.toMatchObject({ code: "DEPLOY_NOT_FOUND" });
        },
        GONE_MS,
      );

      const listLeft = async (deployment: string): Promise<readonly string[]> => {
        const left: string[] = [];
        for (const kind of DEPLOYED_KINDS) {
          if (!(await hasKind(cluster, kind))) continue;
          const objects = await cluster.list(kind, { labels: commonLabels(deployment) });
          left.push(...objects.map(({ metadata }) => `${kind.kind}/${metadata?.name}`));
        }
        return left;
      };
    });
  });
}

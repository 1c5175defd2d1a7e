import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Change, Cluster, Watch } from "../cluster.ts";
import { CONFIG_MAP, type ConfigMap, LEASE, type Lease } from "../kinds.ts";
import { runForLeadership } from "../leadership.ts";

/** A candidate has a turn every two seconds. */
const TIMING = { timeout: 20_000, interval: 50 };

export interface ContractOptions {
  /** Why there is no such cluster here. */
  readonly skipReason?: string | null;
}

const configMap = (name: string, data: Record<string, string>, labels: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, labels },
  data,
});

/**
 * What a cluster does, whatever answers: run against the API double in every run, and against a real API.
 * @param open a cluster whose default namespace is empty; called once, closed by the suite
 */
export function describeCluster(
  name: string,
  open: () => Promise<Cluster>,
  { skipReason = null }: ContractOptions = {},
): void {
  const title = skipReason === null ? name : `${name} (${skipReason})`;
  describe.skipIf(skipReason !== null)(title, () => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await open();
    });
    afterAll(() => cluster.close());

    describe("leadership", () => {
      it("goes from one candidate to the next when it is resigned, and never to two that ask at the same time", async () => {
        const run = (identity: string) => runForLeadership({ cluster, lease: "history", identity, labels: {} });
        const candidates = [run("a"), run("b")];
        const leaders = () => candidates.filter(({ isLeader }) => isLeader);
        await vi.waitUntil(() => leaders().length === 1, TIMING);
        const [first] = leaders();
        await first?.resign();
        await vi.waitUntil(() => leaders().length === 1, TIMING);
        expect(leaders()).not.toContain(first);
        const [second] = leaders();
        const lease = await cluster.read(LEASE, "history");
        expect(lease?.spec).toMatchObject({
          holderIdentity: candidates[0] === second ? "a" : "b",
          leaseTransitions: 2,
        });
        await Promise.all(candidates.map((candidate) => candidate.resign()));
        expect((await cluster.read(LEASE, "history"))?.spec?.holderIdentity).toBeUndefined();
        await cluster.remove(LEASE, "history");
      });

      it("cannot be taken by a claim that rests on an older state", async () => {
        const lease = { apiVersion: LEASE.apiVersion, kind: LEASE.kind, metadata: { name: "contested" } };
        const { metadata } = await cluster.create<Lease>({ ...lease, spec: { holderIdentity: "a" } });
        const claim = (holderIdentity: string): Promise<Lease> =>
          cluster.apply<Lease>({
            ...lease,
            metadata: { name: "contested", resourceVersion: metadata?.resourceVersion },
            spec: { holderIdentity },
          });
        await claim("b");
        await expect(claim("c")).rejects.toMatchObject({ code: "KUBERNETES_REFUSED", details: { status: 409 } });
        expect((await cluster.read(LEASE, "contested"))?.spec?.holderIdentity).toBe("b");
        await cluster.remove(LEASE, "contested");
      });
    });

    describe("objects", () => {
      it("are created in the default namespace, and read as they were created", async () => {
        const created = await cluster.create(configMap("created", { a: "1" }));
        expect(created.metadata).toMatchObject({ namespace: cluster.namespace, uid: expect.any(String) });
        expect(await cluster.read(CONFIG_MAP, "created")).toMatchObject({
          data: { a: "1" },
          metadata: created.metadata,
        });
      });

      it("are created once", async () => {
        await cluster.create(configMap("twice", {}));
        await expect(cluster.create(configMap("twice", {}))).rejects.toMatchObject({
          code: "KUBERNETES_REFUSED",
          details: { status: 409, verb: "create", resource: `ConfigMap ${cluster.namespace}/twice` },
        });
      });

      it("that are not there are null", async () => {
        expect(await cluster.read(CONFIG_MAP, "nowhere")).toBeNull();
      });

      it("are listed by labels, each with its kind", async () => {
        await cluster.create(configMap("red", {}, { colour: "red", size: "s" }));
        await cluster.create(configMap("blue", {}, { colour: "blue", size: "s" }));
        const listed = await cluster.list(CONFIG_MAP, { labels: { colour: "red", size: "s" } });
        expect(listed).toMatchObject([{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "red" } }]);
      });

      it("are applied: changed, and without what is not applied any more", async () => {
        await cluster.apply(configMap("applied", { a: "1", b: "2" }));
        const applied = await cluster.apply(configMap("applied", { a: "3" }));
        expect(applied.data).toEqual({ a: "3" });
      });

      it("are applied for a trial without being written", async () => {
        const merged = await cluster.apply(configMap("trial", { a: "1" }), { dryRun: true });
        expect(merged.data).toEqual({ a: "1" });
        expect(await cluster.read(CONFIG_MAP, "trial")).toBeNull();
      });

      it("are removed, and removing what is not there is fine", async () => {
        await cluster.create(configMap("removed", {}));
        await cluster.remove(CONFIG_MAP, "removed");
        await cluster.remove(CONFIG_MAP, "removed");
        expect(await cluster.read(CONFIG_MAP, "removed")).toBeNull();
      });

      it("are removed only if they are the very ones that were meant", async () => {
        await cluster.create(configMap("successor", {}));
        await cluster.remove(CONFIG_MAP, "successor", { uid: "0ac0b3c1-5a1f-4b0e-9d0a-000000000000" });
        expect(await cluster.read(CONFIG_MAP, "successor")).not.toBeNull();
      });

      it("go with the object that owns them", async () => {
        const { metadata } = await cluster.create(configMap("owner", {}));
        const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: metadata?.uid ?? "" }];
        const owned = configMap("owned", {});
        await cluster.create({ ...owned, metadata: { ...owned.metadata, ownerReferences } });
        await cluster.remove(CONFIG_MAP, "owner");
        await vi.waitUntil(async () => (await cluster.read(CONFIG_MAP, "owned")) === null, { timeout: 20_000 });
      });
    });

    it("refuses a kind that it does not have", async () => {
      await expect(cluster.list({ apiVersion: "remoe.dev/v9", kind: "Nothing" })).rejects.toMatchObject({
        code: "KUBERNETES_KIND_UNKNOWN",
        details: { kind: "Nothing", apiVersion: "remoe.dev/v9" },
      });
      await expect(cluster.list({ apiVersion: "v1", kind: "Nothing" })).rejects.toMatchObject({
        code: "KUBERNETES_KIND_UNKNOWN",
      });
    });

    it("says what the API has against an object", async () => {
      await expect(cluster.create(configMap("Not A Name", {}))).rejects.toMatchObject({
        code: "KUBERNETES_REFUSED",
        details: { status: 422, reason: expect.stringContaining("metadata.name") },
      });
    });

    describe("a watch", () => {
      let watch: Watch | null = null;
      afterEach(() => watch?.close());

      /** What is told of the objects with a label, as `type name`. */
      const follow = async (label: string): Promise<readonly string[]> => {
        const told: string[] = [];
        const onChange = ({ type, object }: Change<ConfigMap>) => void told.push(`${type} ${object.metadata?.name}`);
        watch = cluster.watch(CONFIG_MAP, { labels: { watched: label }, onChange });
        await watch.ready;
        return told;
      };

      it("tells what there is, then every change of objects with its labels", async () => {
        await cluster.create(configMap("w1", {}, { watched: "a" }));
        const told = await follow("a");
        expect(told).toEqual(["added w1"]);
        await cluster.create(configMap("w2", {}, { watched: "b" }));
        await cluster.create(configMap("w3", {}, { watched: "a" }));
        await cluster.apply(configMap("w3", { a: "1" }, { watched: "a" }));
        await cluster.remove(CONFIG_MAP, "w1");
        await vi.waitFor(() => expect(told).toEqual(["added w1", "added w3", "changed w3", "removed w1"]));
      });

      it("tells nothing after it is closed", async () => {
        const told = await follow("c");
        watch?.close();
        await cluster.create(configMap("w4", {}, { watched: "c" }));
        await cluster.read(CONFIG_MAP, "w4");
        expect(told).toEqual([]);
      });
    });
  });
}

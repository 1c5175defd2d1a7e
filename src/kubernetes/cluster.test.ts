import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cluster } from "./cluster.ts";
import { CONFIG_MAP, type ConfigMap, POD } from "./kinds.ts";
import { openCluster } from "./open-cluster.ts";
import { type ApiDouble, startApiDouble } from "./testing/api-double.ts";
import { describeCluster } from "./testing/cluster-contract.ts";

let double: ApiDouble;
let cluster: Cluster;
/** What the client waited, in milliseconds. */
let waited: number[];
/** Pauses last until it is settled. */
let pause: Promise<void>;

const openDouble = async (): Promise<Cluster> => {
  double = await startApiDouble();
  waited = [];
  pause = Promise.resolve();
  const delay = async (ms: number): Promise<void> => {
    waited.push(ms);
    await pause;
  };
  cluster = await openCluster({ kubeconfig: double.kubeconfig, timing: { delay, random: () => 0.5 } });
  return cluster;
};
const closeDouble = async (): Promise<void> => {
  cluster.close();
  await double.close();
};

const configMap = (name: string): ConfigMap => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });

describe("behind the API double", () => {
  afterAll(() => double.close());
  describeCluster("the cluster", openDouble);
});

describe("a call", () => {
  beforeEach(openDouble);
  afterEach(closeDouble);

  it("is repeated after an error of the server, ever later", async () => {
    double.fail({ times: 3, answer: 503 });
    expect(await cluster.read(CONFIG_MAP, "none")).toBeNull();
    expect(waited).toEqual([75, 150, 300]);
  });

  it("is repeated when the server says so", async () => {
    double.fail({ times: 1, answer: 429, headers: { "retry-after": "3" }, method: "POST" });
    await cluster.create(configMap("a"));
    expect(waited).toEqual([3_000]);
  });

  it("is repeated when the connection breaks", async () => {
    double.fail({ times: 1, answer: "reset" });
    expect(await cluster.read(CONFIG_MAP, "none")).toBeNull();
  });

  it("is not repeated when that could do it twice", async () => {
    double.fail({ times: 1, answer: "reset", method: "POST" });
    await expect(cluster.create(configMap("a"))).rejects.toMatchObject({ code: "KUBERNETES_UNREACHABLE" });
    expect(waited).toEqual([]);
  });

  it("fails in the end, with the server's name and the reason", async () => {
    const { server } = cluster;
    await double.close();
    await expect(cluster.read(CONFIG_MAP, "none")).rejects.toMatchObject({
      code: "KUBERNETES_UNREACHABLE",
      details: { server, reason: expect.stringContaining("ECONNREFUSED") },
    });
    expect(waited).toHaveLength(7);
    await openDouble();
  });

  it("that is refused says what was asked for, and what the API answered", async () => {
    double.fail({ times: 1, answer: 403, method: "POST" });
    await expect(cluster.create(configMap("a"))).rejects.toMatchObject({
      code: "KUBERNETES_REFUSED",
      message: "the Kubernetes API answered 403 to create ConfigMap default/a: the test wants it so",
    });
  });

  it("asks once where objects of a group are", async () => {
    await cluster.read(CONFIG_MAP, "a");
    await cluster.read(POD, "a");
    expect(double.requests.filter((request) => request === "GET /api/v1")).toHaveLength(1);
  });
});

describe("a watch", () => {
  beforeEach(openDouble);
  afterEach(closeDouble);

  const follow = async () => {
    const told: string[] = [];
    const troubles: Error[] = [];
    const watch = cluster.watch(CONFIG_MAP, {
      onChange: ({ type, object }) => void told.push(`${type} ${object.metadata?.name}`),
      onTrouble: (error) => void troubles.push(error),
    });
    await watch.ready;
    await vi.waitUntil(() => watches() === 1);
    return { told, troubles };
  };
  const watches = (): number => double.requests.filter((request) => /^GET .*\/configmaps$/.test(request)).length - 1;

  it("goes on where its connection broke, and says that it broke", async () => {
    const { told, troubles } = await follow();
    double.disconnect();
    await cluster.create(configMap("a"));
    await vi.waitFor(() => expect(told).toEqual(["added a"]));
    expect(troubles).not.toEqual([]);
  });

  it("lists again when the API has forgotten where it was, and tells the difference once", async () => {
    await cluster.create(configMap("stays"));
    await cluster.create(configMap("goes"));
    const { told } = await follow();
    let resume = (): void => {};
    pause = new Promise((resolve) => {
      resume = resolve;
    });
    double.disconnect();
    await cluster.remove(CONFIG_MAP, "goes");
    await cluster.create(configMap("comes"));
    double.store.forget();
    resume();
    await vi.waitFor(() => expect(told).toContain("added comes"));
    expect(told).toEqual(["added stays", "added goes", "removed goes", "added comes"]);
  });

  it("that cannot begin says so", async () => {
    double.fail({ times: 2, answer: 403 });
    const watch = cluster.watch(CONFIG_MAP, { onChange: () => {} });
    await expect(watch.ready).rejects.toMatchObject({ code: "KUBERNETES_REFUSED", details: { verb: "get" } });
  });
});

describe("the log of a pod", () => {
  beforeEach(openDouble);
  afterEach(closeDouble);

  it("comes line by line", async () => {
    double.setLog("main", "one\ntwo\n\nfour");
    const lines = [];
    for await (const line of cluster.logs("main", { follow: true, tailLines: 5 })) lines.push(line);
    expect(lines).toEqual(["one", "two", "", "four"]);
  });
});

describe("opening a cluster", () => {
  it("refuses a kubeconfig that is not there", async () => {
    await expect(openCluster({ kubeconfig: "/nowhere" })).rejects.toMatchObject({
      code: "KUBERNETES_CONFIG_INVALID",
      message: expect.stringContaining("/nowhere"),
    });
  });

  it("says when nothing tells of one", async () => {
    vi.stubEnv("KUBECONFIG", undefined);
    vi.stubEnv("HOME", "/nowhere");
    await expect(openCluster()).rejects.toMatchObject({ code: "KUBERNETES_CONFIG_MISSING" });
    vi.unstubAllEnvs();
  });

  it("refuses a context that is not in it", async () => {
    await openDouble();
    await expect(openCluster({ kubeconfig: double.kubeconfig, context: "other" })).rejects.toMatchObject({
      code: "KUBERNETES_CONFIG_INVALID",
      message: expect.stringContaining("'other'"),
    });
    await closeDouble();
  });
});

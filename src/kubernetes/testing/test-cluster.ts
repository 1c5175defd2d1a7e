import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../cluster.ts";
import { NAMESPACE } from "../kinds.ts";
import { openCluster } from "../open-cluster.ts";

/** A real cluster to test with: a namespace of it that is the test's own. */
export interface TestCluster {
  /** Why there is none, for people; else `null`. */
  readonly missing: string | null;
  readonly namespace: string;
  /** With the namespace as default. */
  open(): Promise<Cluster>;
  /** Deletes the namespace with all that is in it. */
  close(): Promise<void>;
}

/**
 * Takes the cluster that the environment names (REMOE_K8S=1 and what its `env` file exports), else one whose `env` file is
 * at its usual place. This process's environment leads to it, and to the container engine of its node.
 * @param name of the test, part of the namespace's
 */
export async function openTestCluster(name: string): Promise<TestCluster> {
  const namespace = `test-${name}-${randomBytes(3).toString("hex")}`;
  const missing = findCluster();
  const open = (): Promise<Cluster> => openCluster({ namespace });
  if (missing !== null) return { missing, namespace, open, close: async () => {} };
  const cluster = await open();
  await cluster.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  return {
    missing,
    namespace,
    open,
    async close() {
      await cluster.remove(NAMESPACE, namespace);
      cluster.close();
    },
  };
}

/** → why there is none */
function findCluster(): string | null {
  if (process.env["REMOE_K8S"] === "1") return null;
  const file = join(process.env["REMOE_K8S_DIR"] ?? join(tmpdir(), "remoe-k8s"), "env");
  if (!existsSync(file)) return `REMOE_K8S is not 1, and there is no ${file}`;
  const exported = execFileSync("/bin/bash", ["-c", '. "$0"; env -0', file], { encoding: "utf8" });
  for (const line of exported.split("\0")) {
    const [variable = "", ...value] = line.split("=");
    if (/^(REMOE_K8S|KUBECONFIG|DOCKER_)/.test(variable)) process.env[variable] = value.join("=");
  }
  return null;
}

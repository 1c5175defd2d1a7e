import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { parse } from "yaml";
import type { Cluster } from "../../../src/kubernetes/cluster.ts";
import { type Role, SECRET } from "../../../src/kubernetes/kinds.ts";
import { openCluster } from "../../../src/kubernetes/open-cluster.ts";

/** Opens a cluster as a new service account of its default namespace that has some rights and no others. */
export async function openAccount(
  cluster: Cluster,
  { name, rules }: { readonly name: string; readonly rules: NonNullable<Role["rules"]> },
): Promise<Cluster> {
  const { namespace } = cluster;
  const group = "rbac.authorization.k8s.io";
  await cluster.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
  await cluster.create<Role>({ apiVersion: `${group}/v1`, kind: "Role", metadata: { name }, rules });
  await cluster.create({
    ...{ apiVersion: `${group}/v1`, kind: "RoleBinding", metadata: { name } },
    ...{ roleRef: { apiGroup: group, kind: "Role", name }, subjects: [{ kind: "ServiceAccount", name, namespace }] },
  });
  const annotations = { "kubernetes.io/service-account.name": name };
  await cluster.create({
    ...{ apiVersion: "v1", kind: "Secret", metadata: { name: `${name}-token`, annotations } },
    ...{ type: "kubernetes.io/service-account-token" },
  });
  const token = await vi.waitFor(async () => {
    const secret = await cluster.read(SECRET, `${name}-token`);
    return Buffer.from(required(secret?.data?.["token"]), "base64").toString();
  });
  return await openWithToken(token, namespace);
}

async function openWithToken(token: string, namespace: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
  const kubeconfig = join(folder, "kubeconfig");
  const own = parse(readFileSync(process.env["KUBECONFIG"] ?? "", "utf8")) as { users: { name: string }[] };
  const users = own.users.map(({ name }) => ({ name, user: { token } }));
  writeFileSync(kubeconfig, JSON.stringify({ ...own, users }));
  const cluster = await openCluster({ kubeconfig, namespace });
  rmSync(folder, { recursive: true });
  return cluster;
}

function required(value: string | undefined): string {
  if (value === undefined) throw new Error("there is no token yet");
  return value;
}

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { vi } from "vitest";
import { BUNDLED_MODEL } from "../../../src/engine/testing/bundled-model.ts";
import type { Cluster } from "../../../src/kubernetes/cluster.ts";
import type { Pod } from "../../../src/kubernetes/kinds.ts";
import { POD } from "../../../src/kubernetes/kinds.ts";

/** Name of the pod. */
export const MODEL_SERVER = "model-server";

/**
 * A pod that serves the bundled model by ranges, and at `/served` how many bytes each client got.
 * @param image with Node.js at `/bin/node`
 * @returns its address
 */
export async function startModelServer(cluster: Cluster, image: string): Promise<string> {
  const source = readFileSync(join(import.meta.dirname, "model-server.mjs"), "utf8");
  const command = ["/bin/node", "--input-type=module", "--eval", source];
  const volumeMounts = [{ name: "models", mountPath: "/models", readOnly: true }];
  await cluster.create<Pod>({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: MODEL_SERVER },
    spec: {
      containers: [{ name: "server", image, imagePullPolicy: "Never", command, volumeMounts }],
      volumes: [{ name: "models", hostPath: { path: dirname(BUNDLED_MODEL) } }],
      terminationGracePeriodSeconds: 0,
    },
  });
  return await vi.waitFor(async () => {
    const url = `http://${(await cluster.read(POD, MODEL_SERVER))?.status?.podIP}:8080`;
    await fetch(`${url}/served`);
    return url;
  }, 30_000);
}

import { openCluster } from "../../../kubernetes/open-cluster.ts";
import type { FunctionSpec } from "../../platform.ts";
import { createKubernetesLauncher } from "../kubernetes-launcher.ts";

/** A process that a test kills: it starts a function, prints where it serves and waits for its end. */
const [namespace = "", image = "", owner = "", spec = "{}"] = process.argv.slice(2);
const launcher = await createKubernetesLauncher({
  cluster: await openCluster({ namespace }),
  settings: { image, imagePullPolicy: "Never" },
  secret: "secret",
  owner: { type: "outside", name: owner },
});
const { endpoint } = await launcher.launch(JSON.parse(spec) as FunctionSpec, "experts.1");
process.stdout.write(`${endpoint}\n`);

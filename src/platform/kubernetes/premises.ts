import { CONFIG_MAP, type ConfigMap, SECRET, type Secret } from "../../kubernetes/kinds.ts";
import { commonLabels, GATEWAY_LABEL } from "../../kubernetes/labels.ts";
import { MODEL_TOKEN_KEY, SECRET_KEY } from "./function-container.ts";
import type { FunctionObjectOptions, OwnerReference } from "./function-object.ts";
import type { KubernetesLauncherOptions } from "./kubernetes-launcher.ts";

/** What the functions of one launcher share in the cluster. */
export interface Premises {
  readonly forFunctions: Pick<FunctionObjectOptions, "owner" | "secretName">;
  /** Removes what was made for it. */
  close(): Promise<void>;
}

/** Nothing is made for a gateway in a pod whose settings name a Secret: it needs no right to. @throws KUBERNETES_* */
export async function openPremises(options: KubernetesLauncherOptions): Promise<Premises> {
  const { cluster, owner: gateway, settings } = options;
  const owner = gateway.type === "pod" ? podReference(gateway) : await makeOwner(options);
  const disown = async (): Promise<void> => {
    if (gateway.type === "outside") await cluster.remove(CONFIG_MAP, owner.name, { uid: owner.uid });
  };
  try {
    const secretName = settings.secretName ?? (await makeSecret(options, owner));
    return {
      forFunctions: { owner, secretName },
      async close() {
        if (settings.secretName === undefined) await cluster.remove(SECRET, secretName);
        await disown();
      },
    };
  } catch (error) {
    await disown();
    throw error;
  }
}

function podReference({ name, uid }: { readonly name: string; readonly uid: string }): OwnerReference {
  return { apiVersion: "v1", kind: "Pod", name, uid };
}

/** An empty object stands for a gateway outside of the cluster: what it owns is cleared away together with it. */
async function makeOwner({ cluster, owner }: KubernetesLauncherOptions): Promise<OwnerReference> {
  const name = `remoe-gateway-${owner.name}`;
  const labels = { ...commonLabels("remoe", "gateway"), [GATEWAY_LABEL]: owner.name };
  const made = await cluster.apply<ConfigMap>({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels } });
  return { apiVersion: "v1", kind: "ConfigMap", name, uid: made.metadata?.uid ?? "" };
}

/** → its name */
async function makeSecret(options: KubernetesLauncherOptions, reference: OwnerReference): Promise<string> {
  const { cluster, owner, secret, modelToken } = options;
  const name = `remoe-functions-${owner.name}`;
  const labels = { ...commonLabels("remoe", "function"), [GATEWAY_LABEL]: owner.name };
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  const token = modelToken === undefined ? {} : { [MODEL_TOKEN_KEY]: encode(modelToken) };
  const data = { [SECRET_KEY]: encode(secret), ...token };
  const metadata = { name, labels, ownerReferences: [reference] };
  await cluster.apply<Secret>({ apiVersion: "v1", kind: "Secret", metadata, data });
  return name;
}

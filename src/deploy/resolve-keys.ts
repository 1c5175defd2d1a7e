import { randomBytes } from "node:crypto";
import type { Cluster } from "../kubernetes/cluster.ts";
import { SECRET } from "../kubernetes/kinds.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { type Keys, readKeys } from "./keys.ts";

const KEY_BYTES = 32;

/**
 * The keys of a deployment: those that it has stay, those that it lacks are made up.
 * @param given those that the user wants otherwise
 * @returns `null` where the user has a Secret
 */
export async function resolveKeys(
  cluster: Cluster,
  { name, secretName, protected: isProtected }: DeployOptions,
  given: Partial<Keys> = {},
): Promise<Keys | null> {
  if (secretName !== null) return null;
  const secret = await cluster.read(SECRET, name);
  const known = { ...(secret === null ? {} : readKeys(secret)), ...given };
  const { functionSecret = makeKey(), apiKey = makeKey(), modelToken = null } = known;
  return { functionSecret, apiKey: isProtected ? apiKey : null, modelToken };
}

function makeKey(): string {
  return randomBytes(KEY_BYTES).toString("hex");
}

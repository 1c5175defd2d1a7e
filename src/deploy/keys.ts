import { createHmac } from "node:crypto";
import { SECRET, type Secret } from "../kubernetes/kinds.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { describeObject, type Manifest, type ManifestOf } from "./manifest.ts";

/** What must not be seen: it is in the deployment's Secret only. */
export interface Keys {
  /** Shared by the gateway and its functions. */
  readonly functionSecret: string;
  /** What clients send; `null`: nothing. */
  readonly apiKey: string | null;
  /** What the model's server wants; `null`: nothing. */
  readonly modelToken: string | null;
}

/** Keys of the Secret's data. */
export const SECRET_KEYS = {
  functionSecret: "function-secret",
  apiKey: "api-key",
  modelToken: "model-token",
} as const;
const NAMES = Object.keys(SECRET_KEYS) as readonly (keyof Keys)[];

/** Stands for keys where they must not be shown; the API refuses it, because it is no base64. */
export const REDACTED = "<redacted>";

export function renderSecret(options: DeployOptions, keys: Keys): ManifestOf<Secret> {
  const data = NAMES.flatMap((name) => {
    const key = keys[name];
    return key === null ? [] : [[SECRET_KEYS[name], Buffer.from(key).toString("base64")]];
  });
  return {
    ...describeObject(SECRET, options, { component: "gateway" }),
    type: "Opaque",
    data: Object.fromEntries(data),
  };
}

/** The keys that a deployment has, as far as it has any. */
export function readKeys({ data = {} }: Pick<Secret, "data">): Partial<Keys> {
  const keys = NAMES.flatMap((name) => {
    const encoded = data[SECRET_KEYS[name]];
    return encoded === undefined ? [] : [[name, Buffer.from(encoded, "base64").toString("utf8")]];
  });
  return Object.fromEntries(keys);
}

/** Changes with the keys, and does not help to guess the others for who does not know the function secret. */
export function digestKeys({ functionSecret, apiKey, modelToken }: Keys): string {
  return createHmac("sha256", functionSecret)
    .update(JSON.stringify([apiKey, modelToken]))
    .digest("hex");
}

export function isSecret(manifest: Manifest): manifest is ManifestOf<Secret> {
  return manifest.kind === SECRET.kind;
}

/** The manifest as it may be shown. */
export function redact<T extends Manifest>(manifest: T): T {
  if (!isSecret(manifest)) return manifest;
  const data = Object.fromEntries(Object.keys(manifest.data ?? {}).map((key) => [key, REDACTED]));
  return { ...manifest, data };
}

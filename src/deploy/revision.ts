import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { remoeError } from "../core/errors.ts";
import { CONFIG_MAP, type ConfigMap } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { isSecret } from "./keys.ts";
import type { Manifest, ManifestOf } from "./manifest.ts";

/** What was deployed at one time, without keys. */
export interface Revision {
  readonly number: number;
  /** Of {@link objects}: equal ones are the same revision. */
  readonly hash: string;
  /** ISO 8601. */
  readonly appliedAt: string;
  /** Version of Remoe that rendered it. */
  readonly version: string;
  readonly objects: readonly Manifest[];
}

/** Whose value is a revision's number. */
export const REVISION_LABEL = "remoe.dev/revision";
const OBJECTS_FILE = "objects.json.gz";
const HASH_CHARACTERS = 16;

/** What a revision keeps of rendered manifests. */
export function toRevisionContent(manifests: readonly Manifest[]): Pick<Revision, "hash" | "objects"> {
  const objects = manifests.filter((manifest) => !isSecret(manifest));
  const hash = createHash("sha256").update(JSON.stringify(objects)).digest("hex").slice(0, HASH_CHARACTERS);
  return { hash, objects };
}

/** The record of a revision as an object of the cluster; objects are compressed, because files are among them. */
export function encodeRevision(revision: Revision, { name, namespace }: DeploymentName): ManifestOf<ConfigMap> {
  const { number, hash, appliedAt, version, objects } = revision;
  return {
    ...CONFIG_MAP,
    metadata: {
      name: `${name}-revision-${number}`,
      namespace,
      labels: { ...commonLabels(name, "gateway"), [REVISION_LABEL]: String(number) },
    },
    immutable: true,
    data: { hash, appliedAt, version },
    binaryData: { [OBJECTS_FILE]: gzipSync(JSON.stringify(objects)).toString("base64") },
  };
}

/** @throws DEPLOY_REVISION_DAMAGED */
export function decodeRevision({ metadata, data, binaryData }: ConfigMap): Revision {
  const { hash = "", appliedAt = "", version = "" } = data ?? {};
  const packed = Buffer.from(binaryData?.[OBJECTS_FILE] ?? "", "base64");
  try {
    const objects = JSON.parse(gunzipSync(packed).toString("utf8")) as readonly Manifest[];
    return { number: Number(metadata?.labels?.[REVISION_LABEL]), hash, appliedAt, version, objects };
  } catch (error) {
    const reason = (error as Error).message;
    throw remoeError("DEPLOY_REVISION_DAMAGED", { object: metadata?.name ?? "", reason }, error);
  }
}

export interface DeploymentName {
  readonly name: string;
  readonly namespace: string;
}

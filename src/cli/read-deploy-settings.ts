import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import type { FunctionSettings, GatewaySettings } from "../deploy/deploy-options.ts";
import { parseKubernetesSettings } from "../platform/kubernetes/settings.ts";

/** What cannot be said by flags. */
export interface DeploySettings {
  readonly functions: FunctionSettings;
  readonly gateway: GatewaySettings;
}

const part = <T>() =>
  z.custom<T>((value) => typeof value === "object" && value !== null, "must be an object of the API");

const SCHEMA = z.strictObject({
  functions: z.record(z.string(), z.unknown()).default({}),
  gateway: z
    .strictObject({
      nodeSelector: z.record(z.string(), z.string()).optional(),
      tolerations: part<NonNullable<GatewaySettings["tolerations"]>>().optional(),
      affinity: part<NonNullable<GatewaySettings["affinity"]>>().optional(),
      priorityClassName: z.string().optional(),
    })
    .default({}),
});

/** Settings of functions that follow from the deployment. */
const DECIDED = [
  ...["namespace", "image", "imagePullPolicy", "imagePullSecrets"],
  ...["labels", "secretName", "serviceAccountName", "historyLease"],
];

/**
 * Settings from a YAML or JSON file.
 * @throws KUBERNETES_SETTINGS_INVALID
 */
export function readDeploySettings(path: string): DeploySettings {
  const parsed = SCHEMA.safeParse(readYaml(path) ?? {});
  if (!parsed.success) throw invalid(path, z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, " "));
  const { functions, gateway } = parsed.data;
  const decided = DECIDED.find((field) => Object.hasOwn(functions, field));
  if (decided !== undefined) throw invalid(path, `functions.${decided} follows from the deployment's own flags`);
  const { image: _image, ...settings } = parseKubernetesSettings({ ...functions, image: "checked elsewhere" }, path);
  return { functions: settings, gateway };
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw invalid(path, (error as Error).message, error);
  }
}

function invalid(path: string, problem: string, cause?: unknown): Error {
  return remoeError("KUBERNETES_SETTINGS_INVALID", { path, problem }, cause);
}

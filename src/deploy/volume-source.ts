import { remoeError } from "../core/errors.ts";
import type { FunctionSettings } from "./deploy-options.ts";

type ModelVolume = NonNullable<FunctionSettings["modelVolume"]>;

/** Where pods find the volume with the model. */
export const MODEL_FOLDER = "/models";

/** What follows the scheme → the source as a pod's spec has it; `null`: it lacks something. */
const SOURCES: Readonly<Record<string, (rest: string) => ModelVolume["source"] | null>> = {
  pvc: (claimName) => (claimName === "" ? null : { persistentVolumeClaim: { claimName, readOnly: true } }),
  host: (path) => (path.startsWith("/") ? { hostPath: { path, type: "Directory" } } : null),
  image: (reference) => (reference === "" ? null : { image: { reference, pullPolicy: "IfNotPresent" } }),
  nfs: (rest) => {
    const [, server, path] = /^([^:/]+):(\/.*)$/.exec(rest) ?? [];
    return server === undefined || path === undefined ? null : { nfs: { server, path, readOnly: true } };
  },
};

/**
 * A volume from one word: `pvc:CLAIM`, `host:/path`, `image:REFERENCE` or `nfs:SERVER:/path`.
 * @throws DEPLOY_INVALID
 */
export function parseModelVolume(name: string, text: string): ModelVolume {
  const [, scheme = "", rest = ""] = /^([a-z]+):(.*)$/.exec(text) ?? [];
  const source = Object.hasOwn(SOURCES, scheme) ? SOURCES[scheme]?.(rest) : null;
  if (source) return { mountPath: MODEL_FOLDER, source };
  const problem = `'${text}' is no volume; give pvc:CLAIM, host:/path, image:REFERENCE or nfs:SERVER:/path`;
  throw remoeError("DEPLOY_INVALID", { name, problem });
}

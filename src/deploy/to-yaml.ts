import { stringify } from "yaml";

/** Long texts such as files stay as they are. */
const YAML_OPTIONS = { lineWidth: 0, aliasDuplicateObjects: false } as const;

/** An object as people read and write it. */
export function toYaml(object: unknown): string {
  return stringify(object, YAML_OPTIONS);
}

/** Several objects as one text, as `kubectl apply -f` takes it. */
export function toYamlStream(objects: readonly unknown[]): string {
  return objects.map(toYaml).join("---\n");
}

import { createHash } from "node:crypto";
import type { FunctionSpec } from "./platform.ts";

/**
 * Gives equal specs equal keys, whatever the order of their fields. A spec may name thousands of experts, so its key is
 * computed once for each object.
 */
export function createSpecKeys(): (spec: FunctionSpec) => string {
  const keys = new WeakMap<FunctionSpec, string>();
  return (spec) => {
    const known = keys.get(spec);
    if (known !== undefined) return known;
    const key = createHash("sha256")
      .update(JSON.stringify(sortFields(spec)))
      .digest("hex");
    keys.set(spec, key);
    return key;
  };
}

/** Lists are left alone: long ones hold numbers, and visiting each would take milliseconds. */
function sortFields(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([field, content]) => [field, sortFields(content)]));
}

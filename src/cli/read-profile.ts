import { readFileSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import type { CostProfile } from "../planner/cost-profile.ts";
import { parseProfile } from "../profile/parse-profile.ts";

/**
 * A profile of a model from the file that `remoe profile --out` wrote.
 * @throws PROFILE_INVALID, PROFILE_FOREIGN
 */
export function readProfile(path: string, model: string): CostProfile {
  return parseProfile(readJson(path), { path, model });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw remoeError("PROFILE_INVALID", { path, problem: (error as Error).message }, error);
  }
}

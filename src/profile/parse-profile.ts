import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import type { CostProfile } from "../planner/cost-profile.ts";
import { costProfileSchema } from "./cost-profile-schema.ts";

/** What `remoe profile --out` writes; what the profile was made from is for people. */
const profileFile = z.object(
  { schemaVersion: z.literal(2, "2"), profile: costProfileSchema },
  "{schemaVersion, profile}",
);

export interface ProfileSource {
  /** For error messages. */
  readonly path: string;
  /** Name of the model it has to be for. */
  readonly model: string;
}

/**
 * Reads the profile out of a file that `remoe profile` wrote.
 * @throws PROFILE_INVALID, naming the first wrong field, its value and what is allowed; PROFILE_FOREIGN
 */
export function parseProfile(json: unknown, { path, model }: ProfileSource): CostProfile {
  const result = profileFile.safeParse(json, { reportInput: true });
  if (!result.success) {
    throw remoeError("PROFILE_INVALID", { path, problem: result.error.issues.slice(0, 1).map(describe).join() });
  }
  const { profile } = result.data;
  if (profile.model !== model) {
    throw remoeError("PROFILE_FOREIGN", { path, actual: profile.model, expected: model });
  }
  return profile;
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `it has no field '${z.core.toDotPath([...issue.path, ...issue.keys.slice(0, 1)])}'`;
  }
  const field = issue.path.length === 0 ? "the content" : `'${z.core.toDotPath(issue.path)}'`;
  const value = issue.input === undefined ? "missing" : JSON.stringify(issue.input);
  return `${field} is ${value}, allowed is ${issue.message}`;
}

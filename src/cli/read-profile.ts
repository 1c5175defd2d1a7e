import { readFileSync } from "node:fs";
import type { CostProfile } from "../planner/cost-profile.ts";

export function readProfile(path: string, _model: string): CostProfile {
  return JSON.parse(readFileSync(path, "utf8")).profile;
}

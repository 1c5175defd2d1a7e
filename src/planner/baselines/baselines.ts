import type { Planner } from "../planner.ts";
import { allRemote } from "./all-remote.ts";
import { lambdaml } from "./lambdaml.ts";
import { uniformMemory } from "./uniform-memory.ts";
import { createWholePlanner } from "./whole-planner.ts";

const PLANNERS = [
  createWholePlanner("cpu"),
  createWholePlanner("gpu"),
  createWholePlanner("fetch"),
  createWholePlanner("mix"),
  allRemote,
  lambdaml,
  uniformMemory,
];

/** What plans are compared with, by name. None of them uses a prediction to choose remote experts. */
export const BASELINES: ReadonlyMap<string, Planner> = new Map(PLANNERS.map((planner) => [planner.name, planner]));

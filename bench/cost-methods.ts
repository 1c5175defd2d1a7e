import { BASELINES } from "../src/planner/baselines/baselines.ts";
import { paper } from "../src/planner/paper-planner.ts";
import type { Planner } from "../src/planner/planner.ts";
import { remoe } from "../src/planner/remoe-planner.ts";

/** Ways to place experts that are compared, by name, in the order of tables. The last is Remoe's. */
export const METHODS: ReadonlyMap<string, Planner> = new Map([...BASELINES, [paper.name, paper], [remoe.name, remoe]]);

const LABELS: Readonly<Record<string, string>> = {
  cpu: "CPU",
  gpu: "GPU",
  fetch: "Fetch",
  mix: "MIX",
  "all-remote": "all remote",
  lambdaml: "LambdaML",
  "uniform-memory": "uniform memory",
  paper: "Remoe as published",
  remoe: "Remoe",
};

/** As people call it. */
export function methodLabel(name: string): string {
  return LABELS[name] ?? name;
}

export function methodNamed(name: string): Planner {
  const found = METHODS.get(name);
  if (found === undefined) throw new RangeError(`no method '${name}'`);
  return found;
}

import { type FunctionStart, TOLD_BY_PARENT } from "./spec.ts";

/** What the environment says to a function that starts; `null`: its parent process tells it. */
export function readStart({ REMOE_FUNCTION, REMOE_FUNCTION_SECRET }: NodeJS.ProcessEnv): FunctionStart | null {
  if (REMOE_FUNCTION === TOLD_BY_PARENT) return null;
  const start = JSON.parse(REMOE_FUNCTION ?? "{}") as FunctionStart;
  // Its own start counts: the variable may be inherited from a gateway that runs elsewhere in a cluster.
  return { ...start, secret: start.secret ?? REMOE_FUNCTION_SECRET ?? "" };
}

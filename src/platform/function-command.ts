import { availableParallelism } from "node:os";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

/**
 * The command line of a function. Its JavaScript makes little garbage: a small young generation saves memory that would
 * be billed.
 */
export function functionCommand(program = join(packageRoot(), "dist", "functions", "program.js")): readonly string[] {
  return [process.execPath, "--max-semi-space-size=2", program];
}

/** The environment of a function: the gateway's own secrets stay in the gateway. */
export function functionEnvironment(): NodeJS.ProcessEnv {
  const { REMOE_API_KEY: _key, ...rest } = process.env;
  // Reads, repacking and prefill lanes run on libuv's pool, whose size is fixed before the function's first line.
  return { UV_THREADPOOL_SIZE: String(Math.max(8, 2 * availableParallelism())), ...rest };
}

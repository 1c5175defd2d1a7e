import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { remoeError } from "../../core/errors.ts";

const run = promisify(execFile);

/**
 * Runs the docker command, which knows contexts and DOCKER_HOST.
 * @returns its standard output, trimmed
 * @throws an Error with the last line of what it complained about
 */
export async function docker(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout } = await run("docker", args, { env });
    return stdout.trim();
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new Error(stderr?.trim().split("\n").at(-1) || message, { cause: error });
  }
}

/** @throws CONTAINER_ENGINE_UNAVAILABLE */
export async function assertEngine(): Promise<void> {
  try {
    await docker(["version", "--format", "{{.Server.Version}}"]);
  } catch (error) {
    throw remoeError("CONTAINER_ENGINE_UNAVAILABLE", { reason: (error as Error).message }, error);
  }
}

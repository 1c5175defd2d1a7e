import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { remoeError } from "../../core/errors.ts";

const run = promisify(execFile);

const ANSWER_LIMIT_MS = 30_000;

export interface DockerOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the command. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the docker command, which knows contexts and DOCKER_HOST.
 * @returns its standard output, trimmed
 * @throws an Error with the last line of what it complained about
 */
export async function docker(args: readonly string[], options: DockerOptions = {}): Promise<string> {
  try {
    const { stdout } = await run("docker", args, options);
    return stdout.trim();
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new Error(stderr?.trim().split("\n").at(-1) || message, { cause: error });
  }
}

/**
 * An engine can take connections and never answer one.
 * @throws CONTAINER_ENGINE_UNAVAILABLE
 */
export async function assertEngine(limitMs = ANSWER_LIMIT_MS): Promise<void> {
  const signal = AbortSignal.timeout(limitMs);
  try {
    await docker(["version", "--format", "{{.Server.Version}}"], { signal });
  } catch (error) {
    const reason = signal.aborted ? `no answer in ${limitMs / 1000} s` : (error as Error).message;
    throw remoeError("CONTAINER_ENGINE_UNAVAILABLE", { reason }, error);
  }
}

import { remoeError } from "../core/errors.ts";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * A signal that aborts when the process is asked to stop (Ctrl-C, SIGTERM) or nobody reads its output any more. It sets
 * the exit code; the command then cleans up and returns. A second request ends the process at once. Commands that
 * have nothing to clean up do not call this: the system stops them.
 */
export function watchInterruption(): AbortSignal {
  const controller = new AbortController();
  const stop = (exitCode: number): void => {
    if (controller.signal.aborted) process.exit(exitCode);
    process.exitCode = exitCode;
    controller.abort(remoeError("REQUEST_CANCELLED", {}));
  };
  process.on("SIGINT", () => stop(EXIT_CODES.SIGINT));
  process.on("SIGTERM", () => stop(EXIT_CODES.SIGTERM));
  process.stdout.once("error", () => stop(0));
  return controller.signal;
}

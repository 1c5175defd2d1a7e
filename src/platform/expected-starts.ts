import type { LaunchedFunction, Launcher, PreparedStart } from "./launcher.ts";
import type { FunctionSpec } from "./platform.ts";

/**
 * Launches functions, the main function that is expected next from what was prepared for it. Nothing is prepared for expert
 * functions: who waits for a start waits for the slowest, and each prepared process takes a processor from the others.
 */
export class ExpectedStarts {
  readonly #launcher: Launcher;
  readonly #expectations = new Set<symbol>();
  #prepared: PreparedStart | null = null;
  /** Settles when those that nobody wanted are gone. */
  #discarded: Promise<unknown> = Promise.resolve();

  constructor(launcher: Launcher) {
    this.#launcher = launcher;
  }

  /** Prepares a start unless one is; it is discarded when nobody expects one any more. → no longer expected */
  expect(): () => void {
    const expectation = Symbol();
    this.#expectations.add(expectation);
    this.#prepared ??= this.#launcher.prepare?.() ?? null;
    return () => {
      if (this.#expectations.delete(expectation) && this.#expectations.size === 0) this.#discard();
    };
  }

  /** As {@link Launcher.launch}. */
  async launch(spec: FunctionSpec, instanceId: string, signal?: AbortSignal): Promise<LaunchedFunction> {
    if (this.#prepared === null || spec.program.role !== "main") {
      return await this.#launcher.launch(spec, instanceId, signal);
    }
    const prepared = this.#prepared;
    this.#prepared = null;
    return await prepared.launch(spec, instanceId, signal);
  }

  /** Resolves when nothing is prepared any more. */
  async close(): Promise<void> {
    this.#discard();
    await this.#discarded;
  }

  #discard(): void {
    this.#discarded = Promise.all([this.#discarded, this.#prepared?.discard()]);
    this.#prepared = null;
  }
}

import { isRemoeError } from "../../core/errors.ts";

/** What one look at the machine found. */
export interface Check {
  readonly name: string;
  /** `warn`: Remoe runs, but not as it could. */
  readonly status: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do; `null` if nothing. */
  readonly advice: string | null;
  /** The same as `found` for programs, where there is more to say. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A check that passes when nothing is thrown; errors of the catalogue say themselves what to do. */
export function checkThat(name: string, look: () => Omit<Check, "name" | "status" | "advice">): Check {
  try {
    return { name, status: "ok", advice: null, ...look() };
  } catch (error) {
    const [found, advice] = isRemoeError(error)
      ? [error.message, error.hint]
      : [(error as Error).message, "Report this with the output of `remoe doctor --json`."];
    return { name, status: "fail", found, advice };
  }
}

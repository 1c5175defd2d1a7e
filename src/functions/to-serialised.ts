import { isRemoeError, remoeError, type SerialisedError } from "../core/errors.ts";

/** Any error as it crosses a process boundary; what is not of the catalogue becomes FUNCTION_FAILED. */
export function toSerialised(error: unknown): SerialisedError {
  if (isRemoeError(error)) return error.toJSON();
  const reason = error instanceof Error ? error.message : String(error);
  return remoeError("FUNCTION_FAILED", { reason }).toJSON();
}

import { remoeError } from "../core/errors.ts";

/** → the catalogue's error for one of the file system's; any other as it is. */
export function toFileError(code: "HISTORY_UNREADABLE" | "HISTORY_UNWRITABLE", path: string, error: unknown): unknown {
  if (!(error instanceof Error && "errno" in error)) return error;
  return remoeError(code, { path, reason: error.message }, error);
}

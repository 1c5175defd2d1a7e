import { toFileError } from "./file-error.ts";

/**
 * Does work on a history that is written.
 * @throws HISTORY_UNWRITABLE for errors of the file system; others as they are
 */
export async function orUnwritable<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw toFileError("HISTORY_UNWRITABLE", path, error);
  }
}

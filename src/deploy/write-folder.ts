import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { remoeError } from "../core/errors.ts";

/**
 * Writes files into a folder, which is made if need be; other files in it stay.
 * @param files path below the folder → text
 * @throws DEPLOY_UNWRITABLE
 */
export async function writeFolder(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  try {
    for (const [file, text] of files) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  } catch (error) {
    throw remoeError("DEPLOY_UNWRITABLE", { path: folder, reason: (error as Error).message }, error);
  }
}

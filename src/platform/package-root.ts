import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of Remoe's own package.json: the same for sources under test and for the built program. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

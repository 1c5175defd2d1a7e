import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startJanitor } from "../src/platform/janitor.ts";

export interface OwnFolder extends AsyncDisposable {
  readonly path: string;
}

/** A folder for temporary files that goes with this process, however that ends: it may hold what others asked, or gigabytes. */
export async function openOwnFolder(): Promise<OwnFolder> {
  const path = await mkdtemp(join(tmpdir(), "remoe-bench-"));
  const janitor = process.platform === "win32" ? null : startJanitor(path, []);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
      await janitor?.dismiss();
    },
  };
}

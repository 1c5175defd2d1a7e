import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startJanitor } from "./janitor.ts";

export interface OwnFolderOptions {
  /** Of its name; the rest is random. */
  readonly prefix: string;
  /** Where it is made. Defaults to the system's folder for temporary files. */
  readonly tempFolder?: string | undefined;
}

/** A folder that only this user can enter, and that goes with this process, however that ends. */
export interface OwnFolder extends AsyncDisposable {
  readonly path: string;
  /** Its name without the prefix: unlike that of any other. */
  readonly id: string;
  /** A control group that is to go with it, told before it is made. */
  own(cgroupPath: string): void;
}

const ID_BYTES = 6;

/** It holds what others asked, or gigabytes, or the ids of running functions: from its first moment on somebody knows of it. */
export async function openOwnFolder({ prefix, tempFolder = tmpdir() }: OwnFolderOptions): Promise<OwnFolder> {
  const id = randomBytes(ID_BYTES).toString("hex");
  const path = join(tempFolder, prefix + id);
  const janitor = process.platform === "win32" ? null : startJanitor(path);
  const close = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true });
    await janitor?.dismiss();
  };
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    await janitor?.dismiss();
    throw error;
  }
  return { path, id, own: (cgroupPath) => janitor?.own(cgroupPath), [Symbol.asyncDispose]: close };
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { functionCommand } from "../function-command.ts";
import { startJanitor } from "../janitor.ts";
import { type CgroupFacts, readCgroupFacts } from "./find-cgroup.ts";
import { createLimiter, type Limiter } from "./limiter.ts";

export interface LocalLauncherOptions {
  /** Shared by the functions of one gateway; peers that do not know it get nothing. */
  readonly secret: string;
  /** Where the folder of the sockets is made. Defaults to the system's folder for temporary files. */
  readonly tempFolder?: string;
  /** Command line of a function. Defaults to Remoe's own program. */
  readonly command?: readonly string[];
  /** Control groups to look for. Defaults to this system's; `null`: functions are not limited. */
  readonly cgroups?: CgroupFacts | null;
}

/** That `mkdtemp` adds to a name. */
const RANDOM_CHARACTERS = 6;

/** What the functions of one launcher share. */
export interface Premises {
  readonly secret: string;
  readonly command: readonly string[];
  /** Only this user can enter it; holds a socket and a list of process ids for every function. */
  readonly folder: string;
  readonly limiter: Limiter;
  /** After the last function has ended. */
  close(): Promise<void>;
}

export async function openPremises(options: LocalLauncherOptions): Promise<Premises> {
  const { secret, tempFolder = tmpdir(), command = functionCommand(), cgroups = readCgroupFacts() } = options;
  const folder = await mkdtemp(join(tempFolder, "remoe-"));
  // Names tell whose the groups are; the random end of the folder's makes them distinct.
  const limiter = await createLimiter(`remoe-${process.pid}-${folder.slice(-RANDOM_CHARACTERS)}`, cgroups);
  const paths = new Set(limiter.cgroups.map(({ path }) => path));
  const janitor = process.platform === "win32" ? null : startJanitor(folder, [...paths]);
  return {
    secret,
    command,
    folder,
    limiter,
    async close() {
      await limiter.close();
      await rm(folder, { recursive: true, force: true });
      await janitor?.dismiss();
    },
  };
}

import { functionCommand } from "../function-command.ts";
import { openOwnFolder } from "../own-folder.ts";
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
  const { secret, tempFolder, command = functionCommand(), cgroups = readCgroupFacts() } = options;
  const folder = await openOwnFolder({ prefix: "remoe-", tempFolder });
  // Names tell whose the groups are; the folder's id makes them distinct.
  const limiter = await createLimiter(`remoe-${process.pid}-${folder.id}`, cgroups, folder.own);
  return {
    secret,
    command,
    folder: folder.path,
    limiter,
    async close() {
      await limiter.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

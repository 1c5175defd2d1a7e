import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launchFunction } from "../launch-function.ts";
import type { Launcher } from "../launcher.ts";
import { openOwnFolder } from "../own-folder.ts";
import type { Limits } from "../platform.ts";
import { buildImage } from "./image.ts";
import { functionUser } from "./run-arguments.ts";
import { RunningContainer } from "./running-container.ts";

export interface DockerLauncherOptions {
  /** Shared by the functions of one gateway. Whoever may use the engine can read it with `docker inspect`. */
  readonly secret: string;
  /** The bundled program of functions, one file. Defaults to Remoe's own. */
  readonly program?: string;
  /** Where the folder of the sockets is made. Defaults to the system's folder for temporary files. */
  readonly tempFolder?: string;
}

/**
 * Starts functions as containers of the Docker engine on this machine, whose image is built when it is not there. They
 * have no network: all of them listen on Unix sockets in one folder. None outlives this process, however it ends.
 * @throws CONTAINER_ENGINE_UNAVAILABLE, CONTAINER_IMAGE_FAILED, NATIVE_PLATFORM_UNSUPPORTED
 */
export async function createDockerLauncher(options: DockerLauncherOptions): Promise<Launcher> {
  const { secret, program, tempFolder } = options;
  const { tag: image } = await buildImage({ program });
  const folder = await openOwnFolder({ prefix: "remoe-", tempFolder });
  const premises = { secret, image, folder: folder.path, shared: join(folder.path, "shared") };
  await mkdir(premises.shared, { mode: 0o700 });
  await chown(premises.shared, ...functionUser());
  return {
    name: "docker",
    launch: (spec, instanceId, signal) =>
      launchFunction(() => new RunningContainer(premises, spec, instanceId), { spec, settle }, signal),
    close: async () => await folder[Symbol.asyncDispose](),
  };
}

const LIMITS: Limits = { memory: "container", cpu: "container" };

async function settle(running: RunningContainer) {
  const [pid] = await Promise.all([running.findPid(), running.throttle()]);
  return { pid, limits: LIMITS };
}

import type { Launcher } from "../launcher.ts";
import { launchLocal } from "./launch-local.ts";
import { type LocalLauncherOptions, openPremises } from "./premises.ts";
import { prepareStart } from "./prepare-start.ts";

/**
 * Starts functions as child processes that listen on Unix sockets only this user can reach, held to their memory and
 * processor time by control groups or resource limits. None outlives this process, however it ends.
 */
export function createLocalLauncher(options: LocalLauncherOptions): Launcher {
  // Now, so that the first cold start need not wait for it; what fails here is told by that start.
  const premises = openPremises(options);
  premises.catch(() => {});
  let preparations = 0;
  return {
    name: "local",
    async launch(spec, instanceId, signal) {
      return await launchLocal(await premises, { spec, instanceId, waiting: null }, signal);
    },
    prepare() {
      preparations += 1;
      return prepareStart(premises, `prepared.${preparations}`);
    },
    async close() {
      const opened = await premises.catch(() => null);
      await opened?.close();
    },
  };
}

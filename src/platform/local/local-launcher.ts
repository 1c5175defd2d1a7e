import { launchFunction } from "../launch-function.ts";
import type { Launcher } from "../launcher.ts";
import { type LocalLauncherOptions, openPremises } from "./premises.ts";
import { RunningFunction } from "./running-function.ts";

/**
 * Starts functions as child processes that listen on Unix sockets only this user can reach, held to their memory and
 * processor time by control groups or resource limits. None outlives this process, however it ends.
 */
export function createLocalLauncher(options: LocalLauncherOptions): Launcher {
  // Now, so that the first cold start need not wait for it; what fails here is told by that start.
  const premises = openPremises(options);
  premises.catch(() => {});
  return {
    name: "local",
    async launch(spec, instanceId, signal) {
      const opened = await premises;
      const settle = (running: RunningFunction) => {
        running.throttle();
        return { pid: running.pid, limits: opened.limiter.limits };
      };
      return await launchFunction(() => new RunningFunction(opened, spec, instanceId), { spec, settle }, signal);
    },
    async close() {
      const opened = await premises.catch(() => null);
      await opened?.close();
    },
  };
}

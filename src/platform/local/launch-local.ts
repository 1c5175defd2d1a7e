import { launchFunction } from "../launch-function.ts";
import type { LaunchedFunction } from "../launcher.ts";
import type { Premises } from "./premises.ts";
import { type LocalInstance, RunningFunction } from "./running-function.ts";

/** Starts a function in a process that waits for it, or else in a new one. @throws what launching throws */
export function launchLocal(
  premises: Premises,
  instance: LocalInstance,
  signal: AbortSignal | undefined,
): Promise<LaunchedFunction> {
  const settle = (running: RunningFunction) => {
    running.throttle();
    return { pid: running.pid, limits: premises.limiter.limits };
  };
  const { spec, waiting } = instance;
  const start = () => new RunningFunction(premises, instance);
  return launchFunction(start, { spec, settle, createdAt: waiting?.createdAt }, signal);
}

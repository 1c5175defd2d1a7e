import type { PreparedStart } from "../launcher.ts";
import { ConfinedProcess } from "./confined-process.ts";
import { launchLocal } from "./launch-local.ts";
import type { Premises } from "./premises.ts";

/**
 * Creates a process that boots, loads the native libraries and then waits to be told which function it is. Where that
 * process cannot be used, the start gets another one: it ended, it has more memory than the function may have, or memory is
 * held by a resource limit, which a process must have from its beginning on.
 * @param premises may fail to open, which the start tells then
 * @param name of the process's groups
 */
export function prepareStart(premises: Promise<Premises>, name: string): PreparedStart {
  const created = premises
    .then((opened) => (canLimitLater(opened) ? new ConfinedProcess(opened, name, null) : null))
    .catch(() => null);
  const discard = async (): Promise<void> => {
    const process = await created;
    process?.kill("SIGKILL");
    await process?.ended;
  };
  return {
    discard,
    async launch(spec, instanceId, signal) {
      const opened = await premises;
      const process = await created;
      const waiting = process?.limitMemory(spec.memoryMb) === true ? process : null;
      if (waiting === null) await discard();
      try {
        return await launchLocal(opened, { spec, instanceId, waiting }, signal);
      } catch (error) {
        await discard();
        throw error;
      }
    },
  };
}

function canLimitLater({ limiter }: Premises): boolean {
  return limiter.limits.memory !== "rlimit";
}

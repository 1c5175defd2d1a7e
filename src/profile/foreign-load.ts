import { cpus } from "node:os";

/** How busy the machine is while nothing is measured: with work of others, which shows in every number. */
export class ForeignLoad {
  #busyMs = 0;
  #allMs = 0;

  /** Waits, and watches the processors meanwhile. */
  async pause(ms: number): Promise<void> {
    const before = processorTimes();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const after = processorTimes();
    this.#busyMs += after.busyMs - before.busyMs;
    this.#allMs += after.allMs - before.allMs;
  }

  /** Of all processors' time, in all pauses. */
  get share(): number {
    return this.#allMs === 0 ? 0 : this.#busyMs / this.#allMs;
  }
}

function processorTimes(): { readonly busyMs: number; readonly allMs: number } {
  let [busyMs, idleMs] = [0, 0];
  for (const { times } of cpus()) {
    busyMs += times.user + times.nice + times.sys + times.irq;
    idleMs += times.idle;
  }
  return { busyMs, allMs: busyMs + idleMs };
}

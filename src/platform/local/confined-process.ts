import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type FunctionStart, type StartReport, TOLD_BY_PARENT } from "../../functions/spec.ts";
import { functionEnvironment } from "../function-command.ts";
import { type FunctionProcess, type ProcessEnd, startFunctionProcess } from "../function-process.ts";
import { joinCommand } from "./join-command.ts";
import type { Confinement } from "./limiter.ts";
import type { Premises } from "./premises.ts";

/** How the parts of a function say that they got no more memory. */
const ALLOCATION_FAILURE = /allocation failed|out of memory|insufficient memory|cannot allocate|bad_alloc/i;

/** How a process ended, and what its limits knew of it. */
export interface ConfinedEnd extends ProcessEnd {
  readonly ranOutOfMemory: boolean;
  /** `null` where the kernel does not say. */
  readonly peakMb: number | null;
}

/** A process within its limits that waits to be told which function it is. */
export class ConfinedProcess {
  /** Monotonic milliseconds. */
  readonly createdAt = performance.now();
  readonly pid: number | null;
  /** The first line it writes; never settles when it writes none. */
  readonly report: Promise<StartReport>;
  /** Settles when it has ended, its groups are gone and its id is in no list. */
  readonly ended: Promise<ConfinedEnd>;
  readonly #process: FunctionProcess;
  readonly #confinement: Confinement;
  readonly #spawnedAt = Date.now();
  #isWaiting = true;

  /**
   * @param name of its groups and of the list with its id
   * @param memoryMb `null`: it is limited later, before it is told what it is
   */
  constructor(premises: Premises, name: string, memoryMb: number | null) {
    const pidFile = join(premises.folder, `${name}.pid`);
    this.#confinement = premises.limiter.confine(name, memoryMb);
    this.#process = startFunctionProcess(confinedCommand(premises.command, this.#confinement, pidFile), {
      ...functionEnvironment(),
      REMOE_FUNCTION: TOLD_BY_PARENT,
    });
    this.pid = this.#process.pid;
    this.report = this.#process.report;
    void Promise.race([this.report, this.#process.ended]).then(() => {
      this.#isWaiting = false;
    });
    this.ended = this.#process.ended.then(async (end) => {
      const peakMb = this.#confinement.memoryPeakMb();
      const ranOutOfMemory = this.#ranOutOfMemory(end);
      await Promise.all([rm(pidFile, { force: true }), this.#confinement.remove()]);
      return { ...end, ranOutOfMemory, peakMb };
    });
  }

  /** Holds it to its memory. → whether it can be told now what it is: it still waits, and has not more than that already */
  limitMemory(memoryMb: number): boolean {
    try {
      this.#confinement.limitMemory(memoryMb);
    } catch {
      return false;
    }
    return this.#isWaiting;
  }

  tell(start: Omit<FunctionStart, "spawnedAt">): void {
    this.#process.tell({ ...start, spawnedAt: this.#spawnedAt });
  }

  /** From now on it has no more than this share of processor time. */
  throttle(vcpus: number): void {
    this.#confinement.throttle(vcpus);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  #ranOutOfMemory({ clean, complaints }: ProcessEnd): boolean {
    if (this.#confinement.dataLimitMb === null) return this.#confinement.ranOutOfMemory();
    return !clean && complaints.some((line) => ALLOCATION_FAILURE.test(line));
  }
}

/** Windows has no shell that could write the list; there the function itself notices that its starter is gone. */
function confinedCommand(
  command: readonly string[],
  { processLists, dataLimitMb }: Confinement,
  pidFile: string,
): readonly string[] {
  if (process.platform === "win32") return command;
  return joinCommand([pidFile, ...processLists], { command, dataLimitMb });
}

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { remoeError } from "../../core/errors.ts";
import type { StartReport } from "../../functions/spec.ts";
import type { Ending, RunningInstance } from "../launch-function.ts";
import type { FunctionSpec } from "../platform.ts";
import { type ConfinedEnd, ConfinedProcess } from "./confined-process.ts";
import type { Premises } from "./premises.ts";

/** Socket addresses have 104 bytes on macOS, 108 on Linux. */
const LONGEST_SOCKET_PATH = 100;

/** What a process becomes. */
export interface LocalInstance {
  readonly spec: FunctionSpec;
  readonly instanceId: string;
  /** Waits for it, with its limits in force; `null`: there is none. */
  readonly waiting: ConfinedProcess | null;
}

/** A function's process, with the socket it listens on. */
export class RunningFunction implements RunningInstance {
  readonly pid: number | null;
  readonly report: Promise<StartReport>;
  /** Settles when the process has ended and what it left behind is cleared away. */
  readonly ended: Promise<Ending>;
  readonly #process: ConfinedProcess;
  readonly #spec: FunctionSpec;
  #expectsEnd = false;

  /** @throws FUNCTION_START_FAILED where the folder's path is too long for a socket */
  constructor(premises: Premises, { spec, instanceId, waiting }: LocalInstance) {
    const socket = socketPath(premises.folder, instanceId, spec);
    const { name, program, memoryMb, vcpus } = spec;
    const { secret } = premises;
    this.#spec = spec;
    this.#process = waiting ?? new ConfinedProcess(premises, instanceId, memoryMb);
    this.#process.tell({ name, program, memoryMb, vcpus, listen: `unix:${socket}`, secret });
    this.pid = this.#process.pid;
    this.report = this.#process.report;
    this.ended = this.#process.ended.then(async (end) => {
      await rm(socket, { force: true });
      return this.#judge(end);
    });
  }

  /** It has started: from now on its share of processor time holds. */
  throttle(): void {
    this.#process.throttle(this.#spec.vcpus);
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#expectsEnd = true;
    this.#process.kill("SIGKILL");
    await this.ended;
  }

  /** Lets it finish its work, until the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#expectsEnd = true;
    this.#process.kill("SIGTERM");
    const killer = setTimeout(() => this.#process.kill("SIGKILL"), deadlineMs);
    await this.ended;
    clearTimeout(killer);
  }

  #judge({ ranOutOfMemory, description, ...end }: ConfinedEnd): Ending {
    const { name, memoryMb: limitMb } = this.#spec;
    const peakMb = end.peakMb ?? limitMb;
    if (ranOutOfMemory) {
      const { message } = remoeError("FUNCTION_OUT_OF_MEMORY", { function: name, limitMb, peakMb });
      return { type: "ended", exit: { reason: "out-of-memory", description: message }, peakMb };
    }
    const reason = this.#expectsEnd ? "stopped" : "crashed";
    return { type: "ended", exit: { reason, description }, peakMb };
  }
}

function socketPath(folder: string, instanceId: string, { program }: FunctionSpec): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\remoe-${process.pid}-${instanceId}`;
  const path = join(folder, `${instanceId}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes <= LONGEST_SOCKET_PATH) return path;
  const reason = `the path of its socket, '${path}', has ${bytes} bytes, more than ${LONGEST_SOCKET_PATH}; set TMPDIR to a shorter one`;
  throw remoeError("FUNCTION_START_FAILED", { role: program.role, reason });
}

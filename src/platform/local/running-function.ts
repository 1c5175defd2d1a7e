import { rm } from "node:fs/promises";
import { join } from "node:path";
import { remoeError } from "../../core/errors.ts";
import type { FunctionStart, StartReport } from "../../functions/spec.ts";
import { functionEnvironment } from "../function-command.ts";
import { type FunctionProcess, type ProcessEnd, startFunctionProcess } from "../function-process.ts";
import type { Ending, RunningInstance } from "../launch-function.ts";
import type { FunctionSpec } from "../platform.ts";
import { joinCommand } from "./join-command.ts";
import type { Confinement } from "./limiter.ts";
import type { Premises } from "./premises.ts";

/** Socket addresses have 104 bytes on macOS, 108 on Linux. */
const LONGEST_SOCKET_PATH = 100;
/** How the parts of a function say that they got no more memory. */
const ALLOCATION_FAILURE = /allocation failed|out of memory|insufficient memory|cannot allocate|bad_alloc/i;

/** A function's process, with what is its own on this machine: limits, socket, list of its id. */
export class RunningFunction implements RunningInstance {
  readonly pid: number | null;
  /** The first line it writes; never settles when it writes none. */
  readonly report: Promise<StartReport>;
  /** Settles when the process has ended and what it left behind is cleared away. */
  readonly ended: Promise<Ending>;
  readonly #process: FunctionProcess;
  readonly #confinement: Confinement;
  readonly #spec: FunctionSpec;
  #expectsEnd = false;

  /** @throws FUNCTION_START_FAILED where the folder's path is too long for a socket */
  constructor(premises: Premises, spec: FunctionSpec, instanceId: string) {
    const socket = socketPath(premises.folder, instanceId, spec);
    const pidFile = join(premises.folder, `${instanceId}.pid`);
    const { name, program, memoryMb, vcpus } = spec;
    const { secret } = premises;
    const listen = `unix:${socket}`;
    const start: FunctionStart = { name, program, memoryMb, vcpus, listen, secret, spawnedAt: Date.now() };
    this.#spec = spec;
    this.#confinement = premises.limiter.confine(instanceId, spec);
    this.#process = startFunctionProcess(confinedCommand(premises.command, this.#confinement, pidFile), {
      ...functionEnvironment(),
      REMOE_FUNCTION: JSON.stringify(start),
    });
    this.pid = this.#process.pid;
    this.report = this.#process.report;
    this.ended = this.#process.ended.then(async (end) => {
      const ending = this.#judge(end);
      const files = [socket, pidFile].map((path) => rm(path, { force: true }));
      await Promise.all([...files, this.#confinement.remove()]);
      return ending;
    });
  }

  /** It has started: from now on its share of processor time holds. */
  throttle(): void {
    this.#confinement.throttle();
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

  #judge(end: ProcessEnd): Ending {
    const limitMb = this.#spec.memoryMb;
    const peakMb = this.#confinement.memoryPeakMb() ?? limitMb;
    if (this.#ranOutOfMemory(end)) {
      const { message } = remoeError("FUNCTION_OUT_OF_MEMORY", { function: this.#spec.name, limitMb, peakMb });
      return { type: "ended", exit: { reason: "out-of-memory", description: message }, peakMb };
    }
    const reason = this.#expectsEnd ? "stopped" : "crashed";
    return { type: "ended", exit: { reason, description: end.description }, peakMb };
  }

  #ranOutOfMemory({ clean, complaints }: ProcessEnd): boolean {
    if (this.#confinement.dataLimitMb === null) return this.#confinement.ranOutOfMemory();
    return !clean && complaints.some((line) => ALLOCATION_FAILURE.test(line));
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

/** Windows has no shell that could write the list; there the function itself notices that its starter is gone. */
function confinedCommand(
  command: readonly string[],
  { processLists, dataLimitMb }: Confinement,
  pidFile: string,
): readonly string[] {
  if (process.platform === "win32") return command;
  return joinCommand([pidFile, ...processLists], { command, dataLimitMb });
}

import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { remoeError } from "../../core/errors.ts";
import { absoluteModel } from "../../functions/absolute-model.ts";
import { modelFiles } from "../../functions/model-files.ts";
import type { FunctionStart, StartReport } from "../../functions/spec.ts";
import { CPU_PERIOD_US, cpuQuotaUs } from "../cpu-quota.ts";
import { functionEnvironment } from "../function-command.ts";
import { type FunctionProcess, type ProcessEnd, startFunctionProcess } from "../function-process.ts";
import type { Ending, RunningInstance } from "../launch-function.ts";
import type { FunctionSpec } from "../platform.ts";
import { docker } from "./docker-cli.ts";
import { runArguments } from "./run-arguments.ts";

/** How long a container that cannot be removed yet is left alone. */
const KILL_PAUSE_MS = 100;

/** What the containers of one launcher share. */
export interface Premises {
  readonly secret: string;
  readonly image: string;
  /** Only this user can enter it; holds the process ids of functions, for the janitor, and the shared folder. */
  readonly folder: string;
  /** Every container sees it at the same path: sockets, and what the processor probe found. */
  readonly shared: string;
}

/**
 * A function in a container that goes with its `docker run`, whose standard input this process holds: when this process
 * ends, however that happens, the function sees its input close and ends too, and the engine removes the container.
 */
export class RunningContainer implements RunningInstance {
  /** What the function says about its start; never settles when it says nothing. */
  readonly report: Promise<StartReport>;
  /** Settles when the container is removed and what it left behind is cleared away. */
  readonly ended: Promise<Ending>;
  readonly #name: string;
  readonly #spec: FunctionSpec;
  readonly #pidFile: string;
  readonly #process: FunctionProcess;
  readonly #startedAt = Date.now();
  #hasEnded = false;
  #expectsEnd = false;

  constructor({ secret, image, folder, shared }: Premises, spec: FunctionSpec, instanceId: string) {
    const { name, memoryMb, vcpus } = spec;
    const socket = join(shared, `${instanceId}.sock`);
    // Inside, a relative path would lead elsewhere.
    const program = { ...spec.program, model: absoluteModel(spec.program.model) };
    const start: FunctionStart = {
      name,
      program,
      memoryMb,
      vcpus,
      listen: `unix:${socket}`,
      secret,
      spawnedAt: this.#startedAt,
    };
    const launcherId = basename(folder);
    this.#spec = spec;
    this.#pidFile = join(folder, `${instanceId}.pid`);
    this.#name = `${launcherId}-${instanceId}`;
    const args = runArguments({ image, launcherId, memoryMb, modelFiles: modelFiles(program), shared });
    this.#process = startFunctionProcess(["docker", "run", "--name", this.#name, ...args], {
      ...functionEnvironment(),
      REMOE_FUNCTION: JSON.stringify(start),
    });
    this.report = this.#process.report;
    this.ended = this.#process.ended.then(async (end) => {
      const ending = await this.#judge(end);
      this.#hasEnded = true;
      await Promise.all([socket, this.#pidFile].map((path) => rm(path, { force: true })));
      return ending;
    });
  }

  /** Lets it finish its work, until the deadline. */
  async stop(deadlineMs: number): Promise<void> {
    this.#expectsEnd = true;
    this.#process.kill("SIGTERM"); // `docker run` passes it on.
    await this.#endsWithin(deadlineMs);
    await this.kill();
  }

  /** Ends it at once; while it is still being created there is nothing to remove yet. */
  async kill(): Promise<void> {
    this.#expectsEnd = true;
    while (!this.#hasEnded) {
      await docker(["rm", "--force", this.#name]).catch(() => {});
      await this.#endsWithin(KILL_PAUSE_MS);
    }
    await this.ended;
  }

  /** It has started: from now on its share of processor time holds. */
  async throttle(): Promise<void> {
    const { vcpus, program } = this.#spec;
    const quota = cpuQuotaUs(vcpus);
    try {
      await docker(["update", "--cpu-period", `${CPU_PERIOD_US}`, "--cpu-quota", `${quota}`, this.#name]);
    } catch (error) {
      const reason = `its processor time could not be limited: ${(error as Error).message}`;
      throw remoeError("FUNCTION_START_FAILED", { role: program.role, reason }, error);
    }
  }

  /**
   * Finds the function's process on this machine, and lists it for the janitor.
   * @returns `null` when the engine runs on another one, e.g. a virtual machine
   */
  async findPid(): Promise<number | null> {
    try {
      const found = await docker(["inspect", "--format", "{{.State.Pid}} {{.Id}}", this.#name]);
      const [pid = "", containerId = ""] = found.split(" ");
      const cgroup = await readFile(`/proc/${pid}/cgroup`, "utf8");
      if (!cgroup.includes(containerId)) return null;
      await writeFile(this.#pidFile, `${pid}\n`);
      return Number(pid);
    } catch {
      return null;
    }
  }

  async #endsWithin(ms: number): Promise<void> {
    await Promise.race([this.ended, delay(ms, undefined, { ref: false })]);
  }

  async #judge(end: ProcessEnd): Promise<Ending> {
    const { name, memoryMb } = this.#spec;
    if (!end.clean && (await this.#ranOutOfMemory())) {
      // The kernel kills at the limit, so this is the peak; the exact figure went with the container.
      const details = { function: name, limitMb: memoryMb, peakMb: memoryMb };
      const { message } = remoeError("FUNCTION_OUT_OF_MEMORY", details);
      return { type: "ended", exit: { reason: "out-of-memory", description: message }, peakMb: memoryMb };
    }
    const reason = this.#expectsEnd ? "stopped" : "crashed";
    return { type: "ended", exit: { reason, description: engineComplaint(end) ?? end.description }, peakMb: memoryMb };
  }

  /** The container is gone with its state, but the engine remembers its last events. */
  async #ranOutOfMemory(): Promise<boolean> {
    const period = ["--since", String(this.#startedAt / 1000), "--until", String(Date.now() / 1000)];
    const filters = ["--filter", `container=${this.#name}`, "--filter", "event=oom"];
    const events = await docker(["events", ...period, ...filters]).catch(() => "");
    return events !== "";
  }
}

/** Why there was no container: `docker run` says more behind it, about its usage. */
function engineComplaint({ complaints }: ProcessEnd): string | undefined {
  return complaints.find((line) => line.startsWith("docker: "));
}

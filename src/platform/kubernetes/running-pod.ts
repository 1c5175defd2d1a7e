import { remoeError } from "../../core/errors.ts";
import type { PodTimes, ReadyReport, StartReport } from "../../functions/spec.ts";
import { toSerialised } from "../../functions/to-serialised.ts";
import type { Change } from "../../kubernetes/cluster.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import { formatEndpoint, parseEndpoint } from "../../wire/endpoint.ts";
import type { Ending, RunningInstance } from "../launch-function.ts";
import type { Exit, FunctionSpec } from "../platform.ts";
import { Lifeline } from "./lifeline.ts";
import type { PodFleet } from "./pod-fleet.ts";
import { isScheduled, isUnschedulable, type PodState, podState } from "./pod-state.ts";

export interface RunningPodOptions {
  readonly fleet: PodFleet;
  readonly spec: FunctionSpec;
  readonly secret: string;
  /** How long it may take until its container runs. */
  readonly startTimeoutMs: number;
  readonly onTrouble: (text: string) => void;
}

/** A grace of zero would take the object away without waiting for the container. */
const LEAST_GRACE_S = 1;
/** A pod whose end the API does not tell for so long after its deadline is given up: its node may be gone. */
const UNHEARD_MS = 60_000;

/** A function in a pod. What the API tells and what the function tells come together here. */
export class RunningPod implements RunningInstance {
  readonly report: Promise<StartReport>;
  readonly ended: Promise<Ending>;
  readonly #options: RunningPodOptions;
  readonly #name: string;
  readonly #lifeline: Lifeline;
  readonly #created: Promise<void>;
  readonly #createdAt = performance.now();
  readonly #startTimer: NodeJS.Timeout;
  #endTimer: NodeJS.Timeout | undefined;
  #scheduledAt = Number.NaN;
  #times: PodTimes | null = null;
  #ip = "";
  #waitingFor = "the API has not told of it";
  #expectsEnd = false;
  #hasEnded = false;
  #tellReport: (report: StartReport) => void = () => {};
  #tellEnd: (ending: Ending) => void = () => {};

  constructor(pod: Pod, options: RunningPodOptions) {
    const { fleet, secret, startTimeoutMs } = options;
    this.#options = options;
    this.#name = pod.metadata?.name ?? "";
    this.report = new Promise((resolve) => {
      this.#tellReport = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#lifeline = new Lifeline(secret, {
      signal: fleet.closing,
      onReady: (report) => this.#becomeReady(report),
      onBroken: () => this.#expectsEnd && this.#leave("it was stopped"),
    });
    this.#startTimer = setTimeout(() => this.#giveUp(this.#tooLate()), startTimeoutMs).unref();
    this.#created = fleet.create(pod, (change) => this.#hear(change)).catch((error) => this.#failToCreate(error));
  }

  /** Where its cold start went as far as the function does not see it; after it has reported. */
  get times(): PodTimes | null {
    return this.#times;
  }

  async kill(): Promise<void> {
    await this.stop(0);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#expectsEnd = true;
    await this.#created;
    if (!this.#hasEnded) {
      clearTimeout(this.#endTimer);
      this.#endTimer = setTimeout(() => this.#leave("its end was never told"), deadlineMs + UNHEARD_MS).unref();
      this.#remove(Math.max(LEAST_GRACE_S, Math.ceil(deadlineMs / 1000)));
    }
    await this.ended;
  }

  #hear({ type, object }: Change<Pod>): void {
    if (Number.isNaN(this.#scheduledAt) && isScheduled(object)) this.#scheduledAt = performance.now();
    const state = podState(object);
    if (state.type === "ended") this.#judge(state, object);
    else if (type === "removed") this.#leave("its pod was removed");
    else if (state.type === "leaving") this.#expectEndOf(state.reason);
    else if (state.type === "failing") this.#giveUp(state.reason);
    else if (state.type === "running") this.#run(state.ip);
    else this.#wait(state.reason, object);
  }

  #wait(reason: string, pod: Pod): void {
    if (isUnschedulable(pod) && reason !== this.#waitingFor) {
      this.#options.onTrouble(`the pod ${this.#name} waits for a node: ${reason}`);
    }
    this.#waitingFor = reason;
  }

  #run(ip: string): void {
    clearTimeout(this.#startTimer);
    this.#ip = ip;
    this.#lifeline.open(ip);
  }

  #becomeReady(report: ReadyReport): void {
    if (this.#times !== null) return;
    const { processMs, librariesMs, weightsMs } = report.coldStart;
    const sincePlaced = performance.now() - this.#scheduledAt;
    this.#times = {
      scheduleMs: this.#scheduledAt - this.#createdAt,
      // Clocks of two machines are not compared: the container's part is what the function's own leave over.
      containerMs: Math.max(0, sincePlaced - processMs - librariesMs - weightsMs),
    };
    const listening = parseEndpoint(report.endpoint);
    const endpoint = formatEndpoint("host" in listening ? { ...listening, host: this.#ip } : listening);
    this.#tellReport({ ...report, endpoint });
  }

  #judge({ outOfMemory, reason, message }: Extract<PodState, { readonly type: "ended" }>, { metadata }: Pod): void {
    const failure = readFailure(message);
    if (failure !== null) this.#tellReport(failure);
    this.#leave(reason, outOfMemory);
    if (metadata?.deletionTimestamp === undefined) this.#remove(0);
  }

  /** Its container does not run any more. */
  #leave(reason: string, outOfMemory = false): void {
    this.#lifeline.close();
    if (outOfMemory) this.#end({ reason: "out-of-memory", description: this.#outOfMemory() });
    else this.#end({ reason: this.#expectsEnd ? "stopped" : "crashed", description: reason });
  }

  /**
   * The API has taken its deletion. If that is ours, it has ended when its lifeline breaks, or now if it has none; its
   * node may take long to say so. If it is somebody else's, another one can take its place while it finishes its work.
   */
  #expectEndOf(reason: string): void {
    if (!this.#expectsEnd) this.#end({ reason: "crashed", description: reason });
    else if (!this.#lifeline.isConnected) this.#leave(reason);
  }

  #giveUp(reason: string): void {
    this.#leave(reason);
    this.#remove(LEAST_GRACE_S);
  }

  #remove(graceS: number): void {
    this.#options.fleet.remove(this.#name, graceS).catch(({ message }: Error) => this.#leave(message));
  }

  #failToCreate(error: unknown): void {
    this.#tellReport({ type: "failed", error: toSerialised(error) });
    this.#leave("its pod was not made");
  }

  #end(exit: Exit): void {
    this.#hasEnded = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#endTimer);
    this.#tellEnd({ type: "ended", exit, peakMb: this.#options.spec.memoryMb });
  }

  #tooLate(): string {
    return `its container did not run within ${this.#options.startTimeoutMs / 1000} s: ${this.#waitingFor}`;
  }

  /** The kernel ends it at the limit, so that is what it had; the API knows no figure. */
  #outOfMemory(): string {
    const { name, memoryMb } = this.#options.spec;
    return remoeError("FUNCTION_OUT_OF_MEMORY", { function: name, limitMb: memoryMb, peakMb: memoryMb }).message;
  }
}

/** A function's last message is its start report if it could not start. */
function readFailure(message: string): StartReport | null {
  try {
    const report = JSON.parse(message) as StartReport;
    return report.type === "failed" ? report : null;
  } catch {
    return null;
  }
}

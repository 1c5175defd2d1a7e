import { remoeError } from "../../core/errors.ts";
import type { PodTimes, ReadyReport } from "../../functions/spec.ts";
import type { Change } from "../../kubernetes/cluster.ts";
import type { Pod } from "../../kubernetes/kinds.ts";
import { formatEndpoint, parseEndpoint } from "../../wire/endpoint.ts";
import { Lifeline } from "./lifeline.ts";
import { isScheduled, isUnschedulable, type PodState, podState } from "./pod-state.ts";
import { readFailure } from "./read-failure.ts";
import { RunningObject, type RunningOptions } from "./running-object.ts";

/** A function in a pod. What the API tells and what the function tells come together here. */
export class RunningPod extends RunningObject<Pod> {
  readonly #lifeline: Lifeline;
  readonly #createdAt = performance.now();
  #scheduledAt = Number.NaN;
  #times: PodTimes | null = null;
  #ip = "";

  constructor(pod: Pod, options: RunningOptions<Pod>) {
    super(pod, options);
    this.#lifeline = new Lifeline(options.secret, {
      signal: options.fleet.closing,
      onReady: (report) => this.#becomeReady(report),
      onBroken: () => this.expectsEnd && this.leave("it was stopped"),
    });
  }

  /** Where its cold start went as far as the function does not see it; after it has reported. */
  get times(): PodTimes | null {
    return this.#times;
  }

  protected override hear({ type, object }: Change<Pod>): void {
    if (Number.isNaN(this.#scheduledAt) && isScheduled(object)) this.#scheduledAt = performance.now();
    const state = podState(object);
    if (state.type === "ended") this.#judge(state, object);
    else if (type === "removed") this.leave("its pod was removed");
    else if (state.type === "leaving") this.#expectEndOf(state.reason);
    else if (state.type === "failing") this.giveUp(state.reason);
    else if (state.type === "running") this.#run(state.ip);
    else this.#wait(state.reason, object);
  }

  protected override tooLate(seconds: number): string {
    return `its container did not run within ${seconds} s: ${this.waitingFor}`;
  }

  protected override leave(reason: string): void {
    this.#lifeline.close();
    super.leave(reason);
  }

  #wait(reason: string, pod: Pod): void {
    if (isUnschedulable(pod) && reason !== this.waitingFor) {
      this.options.onTrouble(`the pod ${this.name} waits for a node: ${reason}`);
    }
    this.waitingFor = reason;
  }

  #run(ip: string): void {
    this.beStarted();
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
    this.tellReport({ ...report, endpoint });
  }

  #judge({ outOfMemory, reason, message }: Extract<PodState, { readonly type: "ended" }>, { metadata }: Pod): void {
    const failure = readFailure(message);
    if (failure !== null) this.tellReport(failure);
    // The first end that is told counts.
    if (outOfMemory) this.end({ reason: "out-of-memory", description: this.#outOfMemory() });
    this.leave(reason);
    if (metadata?.deletionTimestamp === undefined) this.remove(0);
  }

  /**
   * The API has taken its deletion. If that is ours, it has ended when its lifeline breaks, or now if it has none; its
   * node may take long to say so. If it is somebody else's, another one can take its place while it finishes its work.
   */
  #expectEndOf(reason: string): void {
    if (!this.expectsEnd) this.end({ reason: "crashed", description: reason });
    else if (!this.#lifeline.isConnected) this.leave(reason);
  }

  /** The kernel ends it at the limit, so that is what it had; the API knows no figure. */
  #outOfMemory(): string {
    const { name, memoryMb } = this.options.spec;
    return remoeError("FUNCTION_OUT_OF_MEMORY", { function: name, limitMb: memoryMb, peakMb: memoryMb }).message;
  }
}

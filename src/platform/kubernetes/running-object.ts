import type { StartReport } from "../../functions/spec.ts";
import { toSerialised } from "../../functions/to-serialised.ts";
import type { Change } from "../../kubernetes/cluster.ts";
import type { KubernetesObject } from "../../kubernetes/kinds.ts";
import type { Ending, RunningInstance } from "../launch-function.ts";
import type { Exit, FunctionSpec } from "../platform.ts";
import type { Fleet } from "./fleet.ts";

export interface RunningOptions<T extends KubernetesObject> {
  readonly fleet: Fleet<T>;
  readonly spec: FunctionSpec;
  readonly secret: string;
  /** How long the cluster may take to start it. */
  readonly startTimeoutMs: number;
  /** Hears of what may pass by itself. */
  readonly onTrouble: (text: string) => void;
}

/** A grace of zero would take a pod away without waiting for its container. */
const LEAST_GRACE_S = 1;
/** An object whose end the API does not tell for so long after its deadline is given up: its node may be gone. */
const UNHEARD_MS = 60_000;

/** A function that an object of the API stands for: it is made with it, and ends when the object is removed. */
export abstract class RunningObject<T extends KubernetesObject> implements RunningInstance {
  readonly report: Promise<StartReport>;
  readonly ended: Promise<Ending>;
  protected readonly options: RunningOptions<T>;
  /** Why it has not started yet. */
  protected waitingFor = "the API has not told of it";
  /** Its end was asked for here. */
  protected expectsEnd = false;
  protected tellReport: (report: StartReport) => void = () => {};
  protected readonly name: string;
  readonly #created: Promise<void>;
  readonly #startTimer: NodeJS.Timeout;
  #endTimer: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #tellEnd: (ending: Ending) => void = () => {};

  constructor(object: T, options: RunningOptions<T>) {
    const { fleet, startTimeoutMs } = options;
    this.options = options;
    this.name = object.metadata?.name ?? "";
    this.report = new Promise((resolve) => {
      this.tellReport = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#startTimer = setTimeout(() => this.giveUp(this.tooLate(startTimeoutMs / 1000)), startTimeoutMs).unref();
    this.#created = fleet.create(object, (change) => this.hear(change)).catch((error) => this.#failToCreate(error));
  }

  async kill(): Promise<void> {
    await this.stop(0);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.expectsEnd = true;
    await this.#created;
    if (!this.#hasEnded) {
      clearTimeout(this.#endTimer);
      this.#endTimer = setTimeout(() => this.leave("its end was never told"), deadlineMs + UNHEARD_MS).unref();
      this.remove(Math.max(LEAST_GRACE_S, Math.ceil(deadlineMs / 1000)));
    }
    await this.ended;
  }

  /** Something became of its object. */
  protected abstract hear(change: Change<T>): void;

  /** What to say when it has not started after so long. */
  protected abstract tooLate(seconds: number): string;

  /** The cluster has started it. */
  protected beStarted(): void {
    clearTimeout(this.#startTimer);
  }

  /** It does not run any more. */
  protected leave(reason: string): void {
    this.end({ reason: this.expectsEnd ? "stopped" : "crashed", description: reason });
  }

  protected giveUp(reason: string): void {
    this.leave(reason);
    this.remove(LEAST_GRACE_S);
  }

  protected remove(graceS: number): void {
    this.options.fleet.remove(this.name, graceS).catch(({ message }: Error) => this.leave(message));
  }

  protected end(exit: Exit): void {
    this.#hasEnded = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#endTimer);
    this.#tellEnd({ type: "ended", exit, peakMb: this.options.spec.memoryMb });
  }

  #failToCreate(error: unknown): void {
    this.tellReport({ type: "failed", error: toSerialised(error) });
    this.leave("its object was not made");
  }
}

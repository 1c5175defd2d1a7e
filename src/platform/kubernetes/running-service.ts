import type { Change } from "../../kubernetes/cluster.ts";
import type { KnativeService } from "../../kubernetes/knative-service.ts";
import { formatEndpoint, parseEndpoint } from "../../wire/endpoint.ts";
import { fetchStartReport } from "./fetch-start-report.ts";
import { readFailure } from "./read-failure.ts";
import { RunningObject } from "./running-object.ts";
import { serviceState } from "./service-state.ts";

/**
 * A function in a Service of Knative. Knative starts it again when its process ends, and says so only when that does not
 * help; it ends with its Service.
 */
export class RunningService extends RunningObject<KnativeService> {
  readonly #leaving = new AbortController();
  #isReached = false;

  protected override hear({ type, object }: Change<KnativeService>): void {
    const state = serviceState(object);
    const isLeaving = type === "removed" || object.metadata?.deletionTimestamp !== undefined;
    if (isLeaving) this.leave(this.expectsEnd ? "it was stopped" : "its Service was removed");
    else if (state.type === "ready") void this.#reach(state.url);
    else if (state.type === "failed") this.#fail(state.reason);
    else this.waitingFor = state.reason;
  }

  protected override tooLate(seconds: number): string {
    return `its Service was not ready within ${seconds} s: ${this.waitingFor}`;
  }

  protected override leave(reason: string): void {
    this.#leaving.abort();
    super.leave(reason);
  }

  async #reach(url: string): Promise<void> {
    if (this.#isReached) return;
    this.#isReached = true;
    this.waitingFor = `nothing answers at ${url}`;
    const { fleet, secret } = this.options;
    const signal = AbortSignal.any([fleet.closing, this.#leaving.signal]);
    try {
      const endpoint = formatEndpoint(parseEndpoint(url));
      const report = await fetchStartReport(endpoint, { secret, signal });
      this.beStarted();
      this.tellReport({ ...report, endpoint });
    } catch (error) {
      if (!signal.aborted) this.giveUp((error as Error).message);
    }
  }

  #fail(reason: string): void {
    const failure = readFailure(reason);
    if (failure !== null) this.tellReport(failure);
    this.giveUp(reason);
  }
}

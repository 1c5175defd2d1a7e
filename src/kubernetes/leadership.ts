import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, Labels } from "./cluster.ts";
import { LEASE, type Lease } from "./kinds.ts";

/** Who of several processes may do what only one may do at a time. */
export interface Leadership {
  readonly isLeader: boolean;
  /** Hears of every change. */
  onChange(listener: (isLeader: boolean) => void): void;
  /** Hands it over, if it is here, and does not ask for it again. */
  resign(): Promise<void>;
}

export interface LeadershipOptions {
  readonly cluster: Pick<Cluster, "create" | "apply" | "read">;
  /** Name of the Lease object all candidates know; it is made when it is not there. */
  readonly lease: string;
  /** Of this candidate. One that comes back under its name has what it had. */
  readonly identity: string;
  /** Of the object. */
  readonly labels: Labels;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
  /** Wall-clock milliseconds. */
  readonly now?: () => number;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A leader that has not been heard of for so long is taken to be gone. */
const LEASE_MS = 15_000;
/** A leader that could not say for so long that it is there stops: before others take over, whatever their clocks do. */
const RENEW_DEADLINE_MS = 10_000;
const TURN_MS = 2_000;

/**
 * Runs for leadership by a Lease object until it resigns. Clocks of candidates are never compared: a candidate waits
 * until the object has not changed for the lease's duration by its own clock.
 */
export function runForLeadership(options: LeadershipOptions): Leadership {
  return new Candidate(options);
}

class Candidate implements Leadership {
  readonly #options: Required<LeadershipOptions>;
  readonly #listeners = new Set<(isLeader: boolean) => void>();
  readonly #resigned = new AbortController();
  readonly #campaign: Promise<void>;
  #isLeader = false;
  /** When it last said that it leads; `null` while another one does. */
  #renewedAt: number | null = null;
  /** The object as it was last seen to change. */
  #seen: { readonly version: string | undefined; readonly at: number } | null = null;

  constructor(options: LeadershipOptions) {
    const wait = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { ref: false, signal });
    this.#options = { clock: () => performance.now(), now: Date.now, wait, ...options };
    this.#campaign = this.#run();
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  onChange(listener: (isLeader: boolean) => void): void {
    this.#listeners.add(listener);
  }

  async resign(): Promise<void> {
    this.#resigned.abort();
    await this.#campaign;
    if (!this.#isLeader) return;
    this.#become(false);
    // Whoever waits takes over when the lease runs out, if this does not get through.
    await this.#free().catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#resigned;
    while (!signal.aborted) {
      await this.#turn();
      await this.#options.wait(TURN_MS, signal).catch(() => {});
    }
  }

  async #turn(): Promise<void> {
    const { clock } = this.#options;
    const began = clock();
    try {
      this.#renewedAt = (await this.#claim()) ? began : null;
    } catch {
      // Another candidate was faster, or the API does not answer: the next turn tells.
    }
    this.#become(this.#renewedAt !== null && clock() - this.#renewedAt < RENEW_DEADLINE_MS);
  }

  /** → whether the lease is this candidate's now. @throws KUBERNETES_REFUSED when another one was faster */
  async #claim(): Promise<boolean> {
    const { cluster, lease: name, identity, clock } = this.#options;
    // Made without a holder: fields that are not applied from the first cannot be taken back by applying without them.
    const lease = (await cluster.read(LEASE, name)) ?? (await cluster.create(this.#object({ holder: null })));
    const version = lease.metadata?.resourceVersion;
    const seen = this.#seen !== null && this.#seen.version === version ? this.#seen : { version, at: clock() };
    this.#seen = seen;
    const { holderIdentity: holder, leaseTransitions = 0 } = lease.spec ?? {};
    const isOurs = holder === identity;
    const isFree = holder === undefined || holder === "" || clock() - seen.at >= LEASE_MS;
    if (!isOurs && !isFree) return false;
    await cluster.apply(this.#object({ version, leaseTransitions: leaseTransitions + (isOurs ? 0 : 1) }));
    return true;
  }

  /** Without a holder, for the next one to take at once. */
  async #free(): Promise<void> {
    const { cluster, lease: name, identity } = this.#options;
    const lease = await cluster.read(LEASE, name);
    if (lease?.spec?.holderIdentity !== identity) return;
    const { leaseTransitions } = lease.spec;
    await cluster.apply(this.#object({ version: lease.metadata?.resourceVersion, leaseTransitions, holder: null }));
  }

  /** @param version that is replaced; a write to another one is refused */
  #object({ version, leaseTransitions = 0, holder = this.#options.identity }: LeaseState): Lease {
    const { lease: name, labels, now } = this.#options;
    return {
      apiVersion: LEASE.apiVersion,
      kind: LEASE.kind,
      metadata: { name, labels, ...(version === undefined ? {} : { resourceVersion: version }) },
      spec: {
        ...(holder === null ? {} : { holderIdentity: holder }),
        leaseDurationSeconds: LEASE_MS / 1000,
        leaseTransitions,
        renewTime: toMicroTime(now()),
      },
    };
  }

  #become(isLeader: boolean): void {
    if (isLeader === this.#isLeader) return;
    this.#isLeader = isLeader;
    for (const listener of this.#listeners) listener(isLeader);
  }
}

interface LeaseState {
  readonly version?: string | undefined;
  readonly leaseTransitions?: number | undefined;
  readonly holder?: string | null;
}

/** The API wants six digits: `2026-01-31T12:00:00.000000Z`. */
function toMicroTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/(\.\d{3})Z$/, "$1000Z");
}

import { remoeError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { type Adoption, AdoptionShare } from "./adoption.ts";
import type { GenerateEvent, GenerateRequest, ReplicaReady } from "./protocol.ts";
import { RemoteFunctions } from "./remote-functions.ts";
import type { ReplicaPool } from "./replica-pool.ts";

export interface MainServiceOptions {
  readonly engine: Engine;
  readonly replicas: ReplicaPool;
  readonly adoption: Adoption;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/** Where a generation's events go. */
export interface GenerateExchange {
  /** When the request came in, by the clock. */
  readonly arrived: number;
  /** Aborts when the client leaves. */
  readonly gone: AbortSignal;
  readonly write: (event: GenerateEvent) => Promise<void>;
}

/** Tokens after which the gateway learns what calls have cost so far. */
const USAGE_EVERY = 8;

/** A generation in progress. */
interface Running {
  readonly finish: AbortController;
  readonly remote: RemoteFunctions;
}

/** What a main function does: generations with an engine and the expert functions that go with it. */
export class MainService {
  readonly #options: MainServiceOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: MainServiceOptions) {
    this.#options = options;
  }

  /** @throws what `Engine.generate` throws */
  async generate(request: GenerateRequest, exchange: GenerateExchange): Promise<void> {
    const { engine, clock } = this.#options;
    const { gone, write } = exchange;
    const began = clock();
    const adopted = new AdoptionShare(this.#options.adoption);
    const finish = new AbortController();
    const remote = this.#remoteFunctions(request, exchange, adopted);
    this.#running.set(request.generationId, { finish, remote });
    let tokens = 0;
    try {
      for await (const event of engine.generate(request, { signal: gone, finish: finish.signal, remote })) {
        if (event.type === "token") {
          await write({ ...event, atMs: clock() - began });
          if (++tokens % USAGE_EVERY === 0) await write({ type: "usage", remote: remote.usage });
        } else
          await write({
            ...event,
            timings: { ...event.timings, queueMs: began - exchange.arrived },
            remote: remote.usage,
            faults: { ...remote.faults, adoptedExperts: adopted.adopted },
            peakMemoryMb: process.resourceUsage().maxRSS / 1024,
          });
      }
    } finally {
      this.#running.delete(request.generationId);
    }
  }

  finish(generationId: string): void {
    this.#running.get(generationId)?.finish.abort(remoeError("REQUEST_CANCELLED", {}));
  }

  provide({ generationId, function: name, index, replica }: ReplicaReady): void {
    this.#running.get(generationId)?.remote.provide(name, index, replica);
  }

  #remoteFunctions(
    { functions, rows, rounding }: GenerateRequest,
    { gone, write }: GenerateExchange,
    adopted: AdoptionShare,
  ): RemoteFunctions {
    const { engine, replicas, clock } = this.#options;
    return new RemoteFunctions({
      functions,
      rows,
      rounding,
      hidden: engine.hyper.hidden,
      connect: (replica) => replicas.get(replica, rows),
      adopted,
      onLost: (event) => void write(event).catch(() => {}),
      signal: gone,
      clock,
    });
  }
}

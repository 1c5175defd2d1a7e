import type { CacheRegion, CacheRegions } from "./cache-regions.ts";

interface Waiting {
  readonly rows: number;
  readonly resolve: (region: CacheRegion) => void;
}

/** Regions of a cache for sequences, first come first served while there is no room. */
export class RegionQueue {
  readonly #regions: CacheRegions;
  readonly #waiting: Waiting[] = [];

  constructor(regions: CacheRegions) {
    this.#regions = regions;
  }

  /** @throws the signal's reason when it aborts first */
  async take(rows: number, signal: AbortSignal): Promise<CacheRegion> {
    signal.throwIfAborted();
    const region = this.#waiting.length === 0 ? this.#regions.take(rows) : null;
    return region ?? (await this.#wait(rows, signal));
  }

  give(region: CacheRegion): void {
    this.#regions.give(region);
    this.#serve();
  }

  #wait(rows: number, signal: AbortSignal): Promise<CacheRegion> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
        this.#serve();
      };
      const waiting: Waiting = {
        rows,
        resolve: (region) => {
          signal.removeEventListener("abort", leave);
          resolve(region);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #serve(): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      const region = this.#regions.take(first.rows);
      if (region === null) return;
      this.#waiting.shift();
      first.resolve(region);
    }
  }
}

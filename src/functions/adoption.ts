import type { AdoptedExperts } from "../engine/adopted-experts.ts";
import type { RemoteCall, RemoteExperts } from "../engine/runtime.ts";

/** Experts that a main function takes over. Takes no memory until there is a first one. */
export class Adoption implements RemoteExperts {
  readonly #create: () => AdoptedExperts;
  #experts: AdoptedExperts | undefined;

  constructor(create: () => AdoptedExperts) {
    this.#create = create;
  }

  /** Experts loaded so far. */
  get adopted(): number {
    return this.#experts?.adopted ?? 0;
  }

  async compute(call: RemoteCall): Promise<void> {
    this.#experts ??= this.#create();
    await this.#experts.compute(call);
  }
}

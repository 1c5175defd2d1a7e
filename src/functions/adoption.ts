import type { AdoptedExperts } from "../engine/adopted-experts.ts";
import type { RemoteCall, RemoteExperts } from "../engine/runtime.ts";

/** Experts that a main function takes over. Takes no memory until there is a first one. */
export class Adoption {
  readonly #create: () => AdoptedExperts;
  #experts: AdoptedExperts | undefined;
  /** Of the call before. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(create: () => AdoptedExperts) {
    this.#create = create;
  }

  /** Computes a call after those before it. → experts loaded for it */
  compute(call: RemoteCall): Promise<number> {
    const turn = this.#previous.then(() => this.#compute(call));
    this.#previous = turn.catch(() => {});
    return turn;
  }

  async #compute(call: RemoteCall): Promise<number> {
    this.#experts ??= this.#create();
    const before = this.#experts.adopted;
    await this.#experts.compute(call);
    return this.#experts.adopted - before;
  }
}

/** What one generation has of an {@link Adoption}. */
export class AdoptionShare implements RemoteExperts {
  readonly #adoption: Adoption;
  #adopted = 0;

  constructor(adoption: Adoption) {
    this.#adoption = adoption;
  }

  /** Experts loaded for this generation. */
  get adopted(): number {
    return this.#adopted;
  }

  async compute(call: RemoteCall): Promise<void> {
    const adopted = await this.#adoption.compute(call);
    this.#adopted += adopted;
  }
}

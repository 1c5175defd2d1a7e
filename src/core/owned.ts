/**
 * Resources that go together, freed in reverse order. What `DisposableStack` will be once every supported Node has it.
 */
export class Owned implements Disposable {
  readonly #resources: Disposable[] = [];

  /**
   * Runs a construction in steps: what it owned so far is freed if a later step fails.
   * @returns what the construction returns; freeing it is then the caller's, through the same `Owned`
   */
  static async construct<T>(steps: (owned: Owned) => Promise<T>): Promise<T> {
    const owned = new Owned();
    try {
      return await steps(owned);
    } catch (error) {
      owned[Symbol.dispose]();
      throw error;
    }
  }

  own<R extends Disposable>(resource: R): R {
    this.#resources.push(resource);
    return resource;
  }

  [Symbol.dispose](): void {
    for (const resource of this.#resources.splice(0).reverse()) resource[Symbol.dispose]();
  }
}

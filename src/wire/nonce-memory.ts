/** Remembers nonces for as long as a request that carries them could be replayed, within a bounded memory. */
export class NonceMemory {
  readonly #maxNonces: number;
  /** Nonce → when it may be forgotten, about in order of time. */
  readonly #expiry = new Map<string, number>();

  /** @param maxNonces when so many are remembered, new ones are refused rather than old ones forgotten */
  constructor(maxNonces: number) {
    this.#maxNonces = maxNonces;
  }

  /** → whether the nonce is new; times in milliseconds */
  admit(nonce: string, expiresAt: number, now: number): boolean {
    for (const [old, expiry] of this.#expiry) {
      if (expiry > now) break;
      this.#expiry.delete(old);
    }
    if (this.#expiry.has(nonce) || this.#expiry.size >= this.#maxNonces) return false;
    this.#expiry.set(nonce, expiresAt);
    return true;
  }
}

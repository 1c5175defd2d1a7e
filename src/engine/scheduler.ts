import { BATCH_TOKENS, type BatchOptions, type DecodeStep, type PassStrategy } from "./pass-strategy.ts";
import type { TimeShares } from "./time-shares.ts";

/** How long a batch waits for sequences that had a token a moment ago: their clients may read slowly. */
const PATIENCE_MS = 2;

/** A sequence that is computed with others. */
export interface Member {
  /** Of its time. */
  readonly id: number;
}

interface Pending<Work, Result> {
  readonly member: Member;
  readonly work: Work;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface PrefillWork {
  readonly tokens: readonly number[];
  readonly position: number;
  readonly options: BatchOptions;
}

/**
 * Decides what is computed next when several sequences are in flight (continuous batching, Yu et al., 2022): the next
 * tokens of all that are ready, then one batch of one prompt, and so on, so that neither waits long for the other.
 */
export class Scheduler {
  readonly #strategy: PassStrategy;
  readonly #shares: TimeShares;
  readonly #steps: Pending<DecodeStep, Float32Array>[] = [];
  readonly #prefills: Pending<PrefillWork, Float32Array | undefined>[] = [];
  /** Sequences that got a token and have neither asked for the next nor left. */
  readonly #expected = new Set<Member>();
  #onGathered: () => void = () => {};
  #isRunning = false;

  constructor(strategy: PassStrategy, shares: TimeShares) {
    this.#strategy = strategy;
    this.#shares = shares;
  }

  join(): Member {
    return { id: this.#shares.enter() };
  }

  /** → the sequence's share of the time, in milliseconds */
  leave(member: Member): number {
    this.#arrived(member);
    return this.#shares.leave(member.id);
  }

  /** A member's share of the time so far, in milliseconds. */
  shareOf({ id }: Member): number {
    return this.#shares.of(id);
  }

  /** Up to {@link BATCH_TOKENS} tokens of a prompt. → logits of the last if it is the prompt's last; valid until awaited again */
  prefill(member: Member, work: PrefillWork): Promise<Float32Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#prefills.push({ member, work, resolve, reject });
      void this.#run();
    });
  }

  /** The next token of a sequence. → its logits, valid until awaited again */
  decode(member: Member, work: DecodeStep): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.#steps.push({ member, work, resolve, reject });
      this.#arrived(member);
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#steps.length + this.#prefills.length > 0) {
      await this.#decodeAll();
      const prefill = this.#prefills.shift();
      if (prefill !== undefined) await this.#prefill(prefill);
      // Logits are read before the next pass overwrites them.
      if (this.#steps.length + this.#prefills.length > 0) await turn();
    }
    this.#isRunning = false;
  }

  async #decodeAll(): Promise<void> {
    if (this.#steps.length === 0) return;
    await this.#gathered();
    const pending = this.#steps.splice(0);
    try {
      const ids = pending.map(({ member }) => member.id);
      const results = await this.#shares.compute(ids, () => this.#strategy.decode(pending.map(({ work }) => work)));
      for (const [i, { member, resolve, reject }] of pending.entries()) {
        const result = results[i];
        if (result === undefined || "error" in result) {
          reject(result?.error);
          continue;
        }
        this.#expected.add(member);
        resolve(result.logits);
      }
    } catch (error) {
      for (const { reject } of pending) reject(error);
    }
  }

  async #prefill({ member, work, resolve, reject }: Pending<PrefillWork, Float32Array | undefined>): Promise<void> {
    const { tokens, position, options } = work;
    try {
      const compute = () => this.#strategy.prefill(tokens, position, options);
      const logits = await this.#shares.compute([member.id], compute);
      if (logits !== undefined) this.#expected.add(member);
      resolve(logits);
    } catch (error) {
      reject(error);
    }
  }

  #arrived(member: Member): void {
    this.#expected.delete(member);
    if (this.#expected.size === 0) this.#onGathered();
  }

  /** When every sequence that is expected has come, or patience has ended. */
  async #gathered(): Promise<void> {
    if (this.#expected.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      this.#onGathered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onGathered = () => {};
    this.#expected.clear();
  }
}

/** Tokens of a prompt that are computed at a time, with the position of the first. */
export function* promptBatches(
  tokens: readonly number[],
): Generator<{ readonly tokens: readonly number[]; readonly position: number; readonly isLast: boolean }> {
  for (let position = 0; position < tokens.length; position += BATCH_TOKENS) {
    const isLast = position + BATCH_TOKENS >= tokens.length;
    yield { tokens: tokens.slice(position, position + BATCH_TOKENS), position, isLast };
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

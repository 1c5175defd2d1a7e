export interface SilenceOptions {
  /** Silence after which it is asked whether it still lives. */
  readonly silenceMs: number;
  /** Asks; `false` or no answer in time means that it hangs. */
  readonly isAlive: (signal: AbortSignal) => Promise<boolean>;
  /** How long an answer may take. */
  readonly answerMs: number;
  /** Called once, when it hangs; nothing is watched after that. */
  readonly onHang: () => void;
}

/**
 * Watches something that should be heard of now and then. Silence alone is no proof: a long prompt takes its time. But a
 * process that does not even answer a question hangs.
 */
export class SilenceWatch implements Disposable {
  readonly #options: SilenceOptions;
  #timer: NodeJS.Timeout;
  #ended = false;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#timer = this.#wait();
  }

  /** It said something. */
  heard(): void {
    if (!this.#ended) this.#timer.refresh();
  }

  #wait(): NodeJS.Timeout {
    return setTimeout(() => void this.#ask(), this.#options.silenceMs).unref();
  }

  async #ask(): Promise<void> {
    const { isAlive, answerMs, onHang } = this.#options;
    const answered = await isAlive(AbortSignal.timeout(answerMs)).catch(() => false);
    if (this.#ended) return;
    if (answered) {
      this.#timer = this.#wait();
      return;
    }
    this.#ended = true;
    onHang();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

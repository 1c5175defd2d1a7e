export interface DriftOptions {
  /** A false change happens on average once in 1 / `falseAlarmRate` requests, or more seldom. */
  readonly falseAlarmRate: number;
}

const DEFAULTS: DriftOptions = { falseAlarmRate: 1e-3 };
/** λ: the share of the evidence's capital that is bet on each request. */
const STAKE = 0.9;

/**
 * Tells whether prediction from the prompt is worse than the global distribution now, from the divergences of both from
 * what each finished request activated.
 *
 * Bets against "on average, prediction is no worse": with x = predicted − global in [-1, 1], the evidence
 * R ← (R + 1)(1 + λ x) starts anew at every request (Shiryaev–Roberts). As long as x is not positive on average, R − t is
 * a supermartingale after t requests, whatever the distribution of x, so that R takes 1 / rate requests on average, or
 * more, to reach 1 / rate. Once it has, the same test with x's sign turned tells when prediction is better again.
 */
export class DriftDetector {
  readonly #threshold: number;
  #evidence = 0;
  #drifted = false;

  constructor(options: Partial<DriftOptions> = {}) {
    this.#threshold = 1 / { ...DEFAULTS, ...options }.falseAlarmRate;
  }

  /** Whether the global distribution is to be preferred. */
  get drifted(): boolean {
    return this.#drifted;
  }

  /** Takes in the divergences of a finished request, both in [0, 1]. */
  observe(predicted: number, global: number): void {
    const excess = this.#drifted ? global - predicted : predicted - global;
    this.#evidence = (this.#evidence + 1) * (1 + STAKE * excess);
    if (this.#evidence < this.#threshold) return;
    this.#drifted = !this.#drifted;
    this.#evidence = 0;
  }
}

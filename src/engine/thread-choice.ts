/** Computing with every thread, or with one. */
export type Team = "all" | "one";

/** Runs of each team before the two are compared; the first of each warms up and does not count. */
const TRIAL_RUNS = 2;
/** Share of the newest run in the mean: more in trials, which are few. */
const NEWEST = 0.2;
const NEWEST_TRIAL = 0.5;
/** Runs of the faster team between two trials of the other: few once it did well, more while it stays slower. */
const SHORT_PAUSE = 2;
const FIRST_PAUSE = 32;
const LONG_PAUSE = 1024;
/** A trial that took this many times longer need not be repeated soon. */
const HOPELESS = 5;

interface Record {
  runs: number;
  meanMs: number;
}

/**
 * Whether small graphs are faster with all threads or with one. Threads wait for each other at every operation: on an
 * idle machine two of them are a little faster, on a busy one they lose a time slice again and again and are tens of
 * times slower. Which of the two it is changes while a function runs, so the slower team is tried again now and then.
 */
export class ThreadChoice {
  readonly #records: { readonly [team in Team]: Record } = { all: { runs: 0, meanMs: 0 }, one: { runs: 0, meanMs: 0 } };
  #pause = FIRST_PAUSE;
  #sinceTrial = 0;

  /** The team for the next run. */
  next(): Team {
    if (this.#records.one.runs < TRIAL_RUNS) return "one";
    if (this.#records.all.runs < TRIAL_RUNS) return "all";
    return this.#sinceTrial < this.#pause ? this.faster : other(this.faster);
  }

  /** One as long as nothing is known: it is never much slower. */
  get faster(): Team {
    const { all, one } = this.#records;
    if (Math.min(all.runs, one.runs) < TRIAL_RUNS) return "one";
    return one.meanMs < all.meanMs ? "one" : "all";
  }

  /** A run of the team that `next` named took so long. */
  took(team: Team, ms: number): void {
    const isTrial = this.#sinceTrial >= this.#pause;
    const record = this.#records[team];
    record.runs++;
    if (record.runs === 2) record.meanMs = ms;
    else if (record.runs > 2) record.meanMs += (isTrial ? NEWEST_TRIAL : NEWEST) * (ms - record.meanMs);
    this.#sinceTrial++;
    if (isTrial) this.#judgeTrial(team, ms);
  }

  #judgeTrial(team: Team, ms: number): void {
    this.#sinceTrial = 0;
    const fasterMs = this.#records[other(team)].meanMs;
    if (ms < fasterMs) this.#pause = SHORT_PAUSE;
    else if (ms > HOPELESS * fasterMs) this.#pause = LONG_PAUSE;
    else this.#pause = Math.min(LONG_PAUSE, Math.max(FIRST_PAUSE, 2 * this.#pause));
  }
}

function other(team: Team): Team {
  return team === "all" ? "one" : "all";
}

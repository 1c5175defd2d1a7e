import { describe, expect, it } from "vitest";
import { Expectation } from "./expectation.ts";
import { Poller } from "./poller.ts";

const POLL_MS = 1;

/** An expectation whose clock and event loop the test drives. */
function createExpectation() {
  const turns: (() => void)[] = [];
  let now = 0;
  const poller = new Poller(
    () => now,
    (turn) => turns.push(turn),
  );
  const expectation = new Expectation(poller, POLL_MS);
  return {
    call(arrivesAt: number, answeredAt: number): void {
      now = arrivesAt;
      expectation.arrived(now);
      now = answeredAt;
      expectation.answered(now);
    },
    /** Turns of the event loop until it sleeps, if it stays `ms` without a call. */
    polls(ms: number): boolean {
      const before = turns.length;
      now += ms;
      for (const turn of turns.splice(0)) turn();
      return before > 0 && turns.length > 0;
    },
  };
}

describe("a function between calls", () => {
  it("sleeps after its first call", () => {
    const { call, polls } = createExpectation();
    call(0, 1);
    expect(polls(0.1)).toBe(false);
  });

  it("waits awake when the last call came soon after the one before", () => {
    const { call, polls } = createExpectation();
    call(0, 1);
    call(1.5, 2);
    expect(polls(0.1)).toBe(true);
  });

  it("goes to sleep when no call comes in time", () => {
    const { call, polls } = createExpectation();
    call(0, 1);
    call(1.5, 2);
    expect(polls(2)).toBe(false);
  });

  it("sleeps again after a call that was long in coming", () => {
    const { call, polls } = createExpectation();
    call(0, 1);
    call(1.5, 2);
    polls(50);
    call(60, 61);
    expect(polls(0.1)).toBe(false);
  });

  it("never waits awake when it may not", () => {
    const polled: number[] = [];
    const poller = new Poller(
      () => 0,
      () => polled.push(1),
    );
    const expectation = new Expectation(poller, 0);
    expectation.arrived(0);
    expectation.answered(0);
    expectation.arrived(1);
    expectation.answered(1);
    expect(polled).toEqual([]);
  });
});

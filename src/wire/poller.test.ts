import { describe, expect, it } from "vitest";
import { Poller } from "./poller.ts";

/** A poller whose clock and event loop the test drives. */
function createPoller() {
  const state = { now: 0, scheduled: [] as (() => void)[] };
  const poller = new Poller(
    () => state.now,
    (turn) => state.scheduled.push(turn),
  );
  const turn = (): void => {
    for (const scheduled of state.scheduled.splice(0)) scheduled();
  };
  return { poller, state, turn };
}

describe("Poller", () => {
  it("turns once for each turn of the event loop, however many wait", () => {
    const { poller, state, turn } = createPoller();
    for (let i = 0; i < 5; i++) poller.enter(2);
    for (let i = 0; i < 3; i++) {
      expect(state.scheduled).toHaveLength(1);
      turn();
    }
  });

  it("stops when nobody waits any more, and starts again", () => {
    const { poller, state, turn } = createPoller();
    poller.enter(2);
    poller.leave();
    turn();
    expect(state.scheduled).toHaveLength(0);
    poller.enter(2);
    expect(state.scheduled).toHaveLength(1);
  });

  it("gives up when the youngest wait is older than its time", () => {
    const { poller, state, turn } = createPoller();
    poller.enter(2);
    state.now = 1;
    poller.enter(2);
    state.now = 2.5;
    turn();
    expect(state.scheduled).toHaveLength(1);
    state.now = 3;
    turn();
    expect(state.scheduled).toHaveLength(0);
  });

  it("does not begin for a wait that must not poll", () => {
    const { poller, state } = createPoller();
    poller.enter(0);
    expect(state.scheduled).toHaveLength(0);
  });
});

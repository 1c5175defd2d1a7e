import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManualTime } from "../platform/testing/manual-time.ts";
import { SharedTime } from "./shared-time.ts";

describe("shared time", () => {
  it("belongs to the only one who is there, and in equal shares to several", () => {
    const time = createManualTime();
    const shared = new SharedTime(time.clock);
    const first = shared.enter();
    time.advance(10);
    const second = shared.enter();
    time.advance(6);
    expect(second()).toBe(3);
    time.advance(1);
    expect(first()).toBe(10 + 3 + 1);
  });

  it("does not grow for who has left", () => {
    const time = createManualTime();
    const leave = new SharedTime(time.clock).enter();
    time.advance(5);
    expect(leave()).toBe(5);
    time.advance(5);
    expect(leave()).toBe(5);
  });

  it("sums up to the time in which anybody was there", () => {
    const steps = fc.array(fc.record({ ms: fc.nat(100), who: fc.nat(4) }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (script) => {
        const time = createManualTime();
        const shared = new SharedTime(time.clock);
        const present = new Map<number, () => number>();
        const [used, shares] = [[0], [0]];
        for (const { ms, who } of script) {
          const leave = present.get(who);
          if (leave === undefined) present.set(who, shared.enter());
          else shares.push(leave());
          if (leave !== undefined) present.delete(who);
          if (present.size > 0) used.push(ms);
          time.advance(ms);
        }
        shares.push(...[...present.values()].map((leave) => leave()));
        const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b);
        expect(sum(shares)).toBeCloseTo(sum(used), 6);
      }),
      { seed: 6 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SharedTime, type Stay } from "./shared-time.ts";

function createShared() {
  let now = 0;
  const shared = new SharedTime(() => now);
  const advance = (ms: number): void => {
    now += ms;
  };
  return { shared, advance };
}

describe("shared time", () => {
  it("belongs to the only one who is there, and in equal shares to several", () => {
    const { shared, advance } = createShared();
    const first = shared.enter();
    advance(10);
    const second = shared.enter();
    advance(6);
    expect([first.ms, second.ms]).toEqual([13, 3]);
    second.leave();
    advance(1);
    expect([first.ms, second.ms]).toEqual([10 + 3 + 1, 3]);
  });

  it("does not grow for who has left", () => {
    const { shared, advance } = createShared();
    const stay = shared.enter();
    advance(5);
    stay.leave();
    advance(5);
    stay.leave();
    expect(stay.ms).toBe(5);
  });

  it("does not grow for anybody once it is over", () => {
    const { shared, advance } = createShared();
    const stay = shared.enter();
    advance(5);
    shared.end();
    advance(5);
    expect(stay.ms).toBe(5);
    stay.leave();
    expect(stay.ms).toBe(5);
  });

  it("sums up to the time in which anybody was there", () => {
    const steps = fc.array(fc.record({ ms: fc.nat(100), who: fc.nat(4) }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (script) => {
        const { shared, advance } = createShared();
        const present = new Map<number, Stay>();
        const [used, stays]: [number[], Stay[]] = [[0], []];
        for (const { ms, who } of script) {
          const stay = present.get(who) ?? shared.enter();
          if (present.delete(who)) stay.leave();
          else {
            present.set(who, stay);
            stays.push(stay);
          }
          if (present.size > 0) used.push(ms);
          advance(ms);
        }
        const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
        expect(sum(stays.map((stay) => stay.ms))).toBeCloseTo(sum(used), 6);
      }),
      { seed: 6 },
    );
  });
});

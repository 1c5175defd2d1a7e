import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimeShares } from "./time-shares.ts";

function sharesWithClock() {
  let now = 100;
  const shares = new TimeShares(() => now);
  const pass = (ms: number): void => {
    now += ms;
  };
  return { shares, pass };
}

interface Step {
  readonly ms: number;
  readonly act: "enter" | "leave" | "compute";
  readonly pick: number;
}

/** → the time in which any sequence was there, and the sum of all shares */
async function serve(steps: readonly Step[]): Promise<{ readonly inFlight: number; readonly given: number }> {
  const { shares, pass } = sharesWithClock();
  let [inFlight, given] = [0, 0];
  const there: number[] = [];
  const leave = (pick: number): void => {
    for (const id of there.splice(pick % Math.max(1, there.length), 1)) given += shares.leave(id);
  };
  for (const { ms, act, pick } of steps) {
    if (there.length > 0) inFlight += ms;
    const some = act === "compute" ? there.filter((_, i) => (pick >> i) % 2 === 1) : [];
    await shares.compute(some, async () => pass(ms));
    if (act === "enter") there.push(shares.enter());
    if (act === "leave") leave(pick);
  }
  while (there.length > 0) leave(0);
  return { inFlight, given };
}

describe("the time of an instance", () => {
  it("is all a sequence's that is alone", () => {
    const { shares, pass } = sharesWithClock();
    pass(50);
    const only = shares.enter();
    pass(7);
    expect(shares.leave(only)).toBe(7);
  });

  it("belongs to those that are computed, in equal parts", async () => {
    const { shares, pass } = sharesWithClock();
    const [a, b, c] = [shares.enter(), shares.enter(), shares.enter()] as const;
    await shares.compute([a, b], async () => pass(10));
    await shares.compute([c], async () => pass(4));
    expect([a, b, c].map((id) => shares.of(id))).toEqual([5, 5, 4]);
  });

  it("is shared by all while nothing is computed", () => {
    const { shares, pass } = sharesWithClock();
    const a = shares.enter();
    pass(2);
    const b = shares.enter();
    pass(6);
    expect([shares.leave(a), shares.leave(b)]).toEqual([5, 3]);
  });

  it("goes to the others when a sequence leaves while it is computed, also after a failure", async () => {
    const { shares, pass } = sharesWithClock();
    const [a, b] = [shares.enter(), shares.enter()] as const;
    const failed = shares.compute([a, b], async () => {
      pass(4);
      expect(shares.leave(a)).toBe(2);
      pass(3);
      throw new Error("broken");
    });
    await expect(failed).rejects.toThrow("broken");
    pass(1);
    expect(shares.leave(b)).toBe(6);
  });

  it("sums to the time in which any sequence was there", async () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 50 }),
      act: fc.constantFrom<Step["act"]>("enter", "leave", "compute"),
      pick: fc.nat(),
    });
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { inFlight, given } = await serve(steps);
      expect(given).toBeCloseTo(inFlight, 6);
    });
    await fc.assert(property, { seed: 20_261_122 });
  });
});

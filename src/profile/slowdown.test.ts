import { expect, it } from "vitest";
import { timeAt } from "../planner/speed-curve.ts";
import { slowdownOf } from "./slowdown.ts";

it("a slowdown is how many times as long equal work takes as on one processor", () => {
  const curve = slowdownOf([
    { vcpus: 0.5, kind: 1, ms: 20 },
    { vcpus: 1, kind: 1, ms: 10 },
    { vcpus: 2, kind: 1, ms: 5 },
    { vcpus: 2, kind: 7, ms: 1000 },
  ]);
  expect([0.5, 1, 2].map((vcpus) => timeAt(curve, vcpus))).toEqual(
    [2, 1, 0.5].map((factor) => expect.closeTo(factor, 9)),
  );
});

it("long work decides: short work ends before a function has used up its share of a period", () => {
  const curve = slowdownOf([
    { vcpus: 0.25, kind: 16, ms: 3 },
    { vcpus: 0.25, kind: 256, ms: 172 },
    { vcpus: 1, kind: 16, ms: 3 },
    { vcpus: 1, kind: 256, ms: 40 },
  ]);
  expect(timeAt(curve, 0.25)).toBeGreaterThan(4.2);
});

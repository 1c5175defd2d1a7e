import { expect, it } from "vitest";
import { smallestSpec, toVcpus } from "./specs.ts";

it("one GiB comes with one virtual processor", () => {
  expect([512, 1024, 1536].map(toVcpus)).toEqual([0.5, 1, 1.5]);
});

it("the smallest size that holds so much may be just as large", () => {
  expect(smallestSpec([200, 300, 400], 250)).toBe(300);
  expect(smallestSpec([200, 300, 400], 300)).toBe(300);
});

it("there may be no size that holds so much", () => {
  expect(smallestSpec([200, 300, 400], 401)).toBeNull();
  expect(smallestSpec([], 1)).toBeNull();
});

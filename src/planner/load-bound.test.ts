import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { hoeffdingBound, hoeffdingRows } from "./load-bound.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

/** Rows of the first m experts when every token chooses k different ones of K, each as likely. */
function simulate(
  shape: { experts: number; expertsPerToken: number },
  m: number,
  tokens: number,
  random: () => number,
) {
  let rows = 0;
  for (let token = 0; token < tokens; token++) {
    const experts = Array.from({ length: shape.experts }, (_, expert) => expert);
    for (let i = 0; i < shape.expertsPerToken; i++) {
      const chosen = experts.splice(Math.floor(random() * experts.length), 1)[0] as number;
      if (chosen < m) rows++;
    }
  }
  return rows;
}

describe("rows that remote experts have to be ready for", () => {
  const shape = { experts: 16, expertsPerToken: 4 };

  it("are √(3n/2) + k n / K for one expert", () => {
    expect(hoeffdingRows(shape, { remote: 1, tokens: 600 })).toBeCloseTo(30 + 150, 9);
  });

  it("deviate as far as one token can: by min(k, m, K − k, K − m) rows", () => {
    const deviation = (remote: number): number =>
      (hoeffdingRows(shape, { remote, tokens: 600 }) - (remote * 4 * 600) / 16) / 30;
    expect([2, 8, 14].map(deviation)).toEqual([2, 4, 2].map((rows) => expect.closeTo(rows, 9)));
  });

  it("are all rows when all experts are remote, none when none is, and never more than a token can give", () => {
    expect(hoeffdingRows(shape, { remote: 16, tokens: 600 })).toBe(2400);
    expect(hoeffdingRows(shape, { remote: 0, tokens: 600 })).toBe(0);
    expect(hoeffdingRows(shape, { remote: 2, tokens: 1 })).toBe(2);
    expect(hoeffdingRows(shape, { remote: 8, tokens: 0 })).toBe(0);
  });

  it("are fewer in at most 5 % of prompts where routing is uniform", () => {
    const random = createRandom(1);
    for (const remote of [1, 4, 12, 15]) {
      const bound = hoeffdingRows(shape, { remote, tokens: 50 });
      const over = Array.from({ length: 300 }, () => simulate(shape, remote, 50, random)).filter(
        (rows) => rows > bound,
      );
      expect(over.length).toBeLessThanOrEqual(15);
    }
  });

  it("are the same in every layer, for all remote experts and for one of them", () => {
    const bound = hoeffdingBound(tinyProblem.sizes);
    const asked = { layer: 1, remote: 2, tokens: 600 };
    expect(bound.rows(asked)).toBe(hoeffdingRows(tinyProblem.sizes, asked));
    expect(bound.mostOfOne(asked)).toBe(hoeffdingRows(tinyProblem.sizes, { remote: 1, tokens: 600 }));
    expect(bound.mostOfOne({ ...asked, remote: 0 })).toBe(0);
  });
});

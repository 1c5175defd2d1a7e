import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { DriftDetector } from "./drift.ts";

/** Feeds requests until the verdict changes. → how many it took, `limit` if it did not */
function requestsUntilChange(detector: DriftDetector, request: () => [number, number], limit: number): number {
  const before = detector.drifted;
  for (let i = 1; i <= limit; i++) {
    detector.observe(...request());
    if (detector.drifted !== before) return i;
  }
  return limit;
}

/** Divergences that spread over [0, 2 mean). */
function noisy(random: () => number, predicted: number, global: number): () => [number, number] {
  return () => [2 * predicted * random(), 2 * global * random()];
}

describe("DriftDetector", () => {
  it("trusts prediction from the start and while it is better", () => {
    const detector = new DriftDetector();
    expect(requestsUntilChange(detector, noisy(createRandom(1), 0.04, 0.2), 20_000)).toBe(20_000);
    expect(detector.drifted).toBe(false);
  });

  it("notices a shift that makes prediction worse within some dozen requests, and its end", () => {
    const detector = new DriftDetector();
    const random = createRandom(2);
    requestsUntilChange(detector, noisy(random, 0.04, 0.2), 500);
    expect(requestsUntilChange(detector, noisy(random, 0.4, 0.15), 500)).toBeLessThan(100);
    expect(detector.drifted).toBe(true);
    expect(requestsUntilChange(detector, noisy(random, 0.04, 0.2), 500)).toBeLessThan(100);
    expect(detector.drifted).toBe(false);
  });

  it("raises false alarms no oftener than stated when prediction and global are equally good", () => {
    const random = createRandom(3);
    const runs = Array.from({ length: 60 }, () =>
      requestsUntilChange(new DriftDetector({ falseAlarmRate: 0.01 }), noisy(random, 0.1, 0.1), 2000),
    );
    const mean = runs.reduce((a, b) => a + b, 0) / runs.length;
    expect(mean).toBeGreaterThan(100);
  });

  it("takes two exact predictions as no evidence", () => {
    const detector = new DriftDetector({ falseAlarmRate: 0.01 });
    expect(requestsUntilChange(detector, () => [0, 0], 99)).toBe(99);
  });

  it("asks for more evidence where false alarms must be rarer", () => {
    const needed = (falseAlarmRate: number): number =>
      requestsUntilChange(new DriftDetector({ falseAlarmRate }), () => [0.3, 0.1], 1000);
    expect(needed(1e-6)).toBeGreaterThan(needed(1e-2));
  });
});

import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { ConformalBounds, type ConformalOptions, type Forecast } from "./conformal-bound.ts";
import type { LoadBound } from "./load-bound.ts";

const sizes = { layers: 2, experts: 4, expertsPerToken: 2 };
const PREDICTED = [0.4, 0.1, 0.2, 0.3];

/** The same prediction for both layers; in truth the two least useful experts take `share` and `other`. */
function forecast(share: number, other: number): Forecast {
  const row = (each: number): number[] => [(1 - each) / 2, each / 4, (3 * each) / 4, (1 - each) / 2];
  return {
    predicted: Float32Array.from([...PREDICTED, ...PREDICTED]),
    truth: Float32Array.from([...row(share), ...row(other)]),
  };
}

function bound(forecasts: readonly Forecast[], options: Partial<ConformalOptions> = {}): LoadBound {
  return new ConformalBounds(sizes, forecasts).bound({ predicted: null, scope: "layer", ...options });
}

describe("rows bounded by what earlier requests did", () => {
  const hundredths = Array.from({ length: 39 }, (_, i) => forecast((i + 1) / 100, 0.5));
  const asked = { layer: 0, remote: 2, tokens: 100 };

  it("are the ⌈(n + 1) 0.95⌉-th smallest remote share of them", () => {
    // ⌈40 · 0.95⌉ = 38: a share of 0.38 of 200 rows, and three quarters of it for the expert with most.
    expect(bound(hundredths).rows(asked)).toBeCloseTo(76, 3);
    expect(bound(hundredths).mostOfOne(asked)).toBeCloseTo(57, 3);
  });

  it("follow the prediction by what earlier ones were wrong", () => {
    const predicted = Float32Array.of(0.45, 0.05, 0.05, 0.45, ...PREDICTED);
    // Earlier predictions said 0.3: the 38th error is 0.08, on top of 0.1.
    expect(bound(hundredths, { predicted }).rows(asked)).toBeCloseTo(36, 3);
  });

  it("are all that a token can give while fewer than 19 are known", () => {
    const few = bound(hundredths.slice(0, 18));
    expect(few.rows(asked)).toBe(200);
    expect(few.rows({ ...asked, remote: 1 })).toBe(100);
    expect(few.mostOfOne(asked)).toBe(100);
  });

  it("hold for all layers of a request together when asked to", () => {
    expect(bound(hundredths, { scope: "request" }).rows(asked)).toBeCloseTo(100, 3);
  });

  it("are none without remote experts", () => {
    expect(bound(hundredths).rows({ ...asked, remote: 0 })).toBe(0);
  });

  it("are not exceeded in 95 % of further requests like the earlier ones, whatever routing is like", () => {
    const random = createRandom(1);
    const draw = (): Forecast => forecast(random() ** 4, random() ** 2);
    const perLayer = bound(Array.from({ length: 400 }, draw));
    const together = bound(Array.from({ length: 400 }, draw), { scope: "request" });
    const share = ({ truth }: Forecast, layer: number): number =>
      (truth[layer * 4 + 1] as number) + (truth[layer * 4 + 2] as number);
    const further = Array.from({ length: 2000 }, draw);
    const isWithin = (each: Forecast, layer: number, of: LoadBound): boolean =>
      200 * share(each, layer) <= of.rows({ ...asked, layer });
    const covered = (test: (each: Forecast) => boolean): number => further.filter(test).length / further.length;
    expect(covered((each) => isWithin(each, 0, perLayer))).toBeGreaterThan(0.92);
    expect(covered((each) => isWithin(each, 0, together) && isWithin(each, 1, together))).toBeGreaterThan(0.92);
  });
});

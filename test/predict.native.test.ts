import { beforeAll, describe, expect, it } from "vitest";
import { benchPredict, type PredictBenchmark } from "../bench/predict.ts";
import { CONTENDERS } from "../bench/predict-contenders.ts";
import { BUNDLED_MODEL } from "../src/engine/testing/bundled-model.ts";

/** Of each file: enough to tell the predictors apart, few enough to run in seconds. */
const LIMIT = 480;

let result: PredictBenchmark;
beforeAll(async () => {
  result = await benchPredict({ model: BUNDLED_MODEL, raw: true, limit: LIMIT });
}, 120_000);

describe("predictors of what the bundled prompts activate", () => {
  it("are compared on prompts they have not learnt from", () => {
    expect(result.prompts).toEqual({
      history: { file: "bundle-train.jsonl", prompts: LIMIT },
      test: { file: "bundle-test.jsonl", prompts: LIMIT },
    });
  });

  it("SPS is within 5 % of brute force, the most it can reach", () => {
    expect(result.js.sps).toBeLessThan(1.05 * result.js.bf);
  });

  it("SPS is no worse than VarED, within noise", () => {
    expect(result.overSps.vared.high).toBeGreaterThan(0);
  });

  it.each(["dop", "fate", "ef"] as const)("SPS is better than %s, beyond noise", (name) => {
    expect(result.overSps[name].low).toBeGreaterThan(0);
  });

  it("Remoe's is at least 10 % better than SPS, beyond noise", () => {
    expect(result.overSps.best.high).toBeLessThan(-0.1 * result.js.sps);
  });

  it("no prediction leaves less remote than the truth would, and each less than popularity", () => {
    for (const { popularity, sps, best, truth } of result.placement) {
      expect(truth.rows).toBeLessThanOrEqual(best.rows);
      expect(best.rows).toBeLessThan(sps.rows);
      expect(sps.rows).toBeLessThan(popularity.rows);
      expect(best.touched).toBeLessThan(popularity.touched);
    }
  });

  it("are the same in every breakdown", () => {
    const { domains, layers, js, estimates } = result;
    for (const name of CONTENDERS) {
      const { low, high } = estimates[name];
      const overDomains = domains.reduce((sum, domain) => sum + domain.prompts * domain.estimates[name].mean, 0);
      const overLayers = layers[name].reduce((sum, layer) => sum + layer, 0);
      expect(overDomains / LIMIT).toBeCloseTo(js[name], 6);
      expect(overLayers / layers[name].length).toBeCloseTo(js[name], 6);
      expect(low).toBeLessThan(js[name]);
      expect(high).toBeGreaterThan(js[name]);
    }
  });
});

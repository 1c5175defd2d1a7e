import fc from "fast-check";
import { expect, it } from "vitest";
import { expertsFootprint, mainFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import { BUNDLED_MODEL } from "../engine/testing/bundled-model.ts";
import { readGguf } from "../gguf/read.ts";
import { readModelSizes } from "./model-sizes.ts";

const MIB = 2 ** 20;
/** What functions count for a process that has not loaded anything, at least. */
const PROCESS_MB = 64;
const file = readGguf(BUNDLED_MODEL);
const options = { contextLength: 512, threads: 2 };
const sizes = readModelSizes(file, options);

const selection = fc.array(fc.subarray(Array.from({ length: 16 }, (_, expert) => expert)), {
  minLength: 6,
  maxLength: 6,
});

it("has the shape of the model", () => {
  expect(sizes).toMatchObject({ name: "tiny-moe", layers: 6, experts: 16, expertsPerToken: 2 });
  expect(sizes.expertMb).toHaveLength(6);
});

it("is never less than what functions check at their start, whichever experts they hold", () => {
  fc.assert(
    fc.property(selection, (experts) => {
      const expertsMb = experts.reduce((sum, held, layer) => sum + held.length * (sizes.expertMb[layer] ?? 0), 0);
      const main = mainFootprint(file, { ...options, experts });
      const mainMb = (main.weightBytes + main.cacheBytes + main.bufferBytes) / MIB;
      expect(sizes.mainBaseMb + sizes.nonExpertMb + sizes.cacheMb + expertsMb).toBeGreaterThan(mainMb + PROCESS_MB);
      const own = expertsFootprint(file, { experts, threads: 2, maxTokens: BATCH_TOKENS });
      const ownMb = (own.weightBytes + own.bufferBytes) / MIB;
      expect(sizes.expertsBaseMb + expertsMb).toBeGreaterThan(ownMb + PROCESS_MB);
    }),
    { seed: 9, numRuns: 50 },
  );
});

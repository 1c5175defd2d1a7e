import fc from "fast-check";
import { expect, it } from "vitest";
import { expertsFootprint, footprintBytes, mainFootprint } from "../engine/footprint.ts";
import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import { BUNDLED_MODEL } from "../engine/testing/bundled-model.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { readModelSizes } from "./model-sizes.ts";

const MIB = 2 ** 20;
/** What functions count for a process that has not loaded anything, at least. */
const PROCESS_MB = 64;
const file = readGguf(BUNDLED_MODEL);
const options = { contextLength: 512, threads: 2 };
const sizes = readModelSizes(file, options);
/** The same behind a URL, as far as sizes go. */
const webFile: GgufFile = {
  ...file,
  parts: file.parts.map((part) => ({ ...part, type: "web", modifiedMs: 0, fill: async () => {} })),
};

const selection = fc.array(fc.subarray(Array.from({ length: 16 }, (_, expert) => expert)), {
  minLength: 6,
  maxLength: 6,
});

it("has the shape of the model", () => {
  expect(sizes).toMatchObject({ name: "tiny-moe", layers: 6, experts: 16, expertsPerToken: 2 });
  expect(sizes.expertMb).toHaveLength(6);
});

it.each([
  ["on disk", file],
  ["behind a URL", webFile],
])("is never less than what functions check at their start, whichever experts they hold: a model %s", (_, model) => {
  const { mainBaseMb, nonExpertMb, cacheMb, expertsBaseMb } = readModelSizes(model, options);
  fc.assert(
    fc.property(selection, (experts) => {
      const expertsMb = experts.reduce((sum, held, layer) => sum + held.length * (sizes.expertMb[layer] ?? 0), 0);
      const mainMb = footprintBytes(mainFootprint(model, { ...options, experts })) / MIB;
      expect(mainBaseMb + nonExpertMb + cacheMb + expertsMb).toBeGreaterThan(mainMb + PROCESS_MB);
      const ownMb = footprintBytes(expertsFootprint(model, { experts, threads: 2, maxTokens: BATCH_TOKENS })) / MIB;
      expect(expertsBaseMb + expertsMb).toBeGreaterThan(ownMb + PROCESS_MB);
    }),
    { seed: 9, numRuns: 50 },
  );
});

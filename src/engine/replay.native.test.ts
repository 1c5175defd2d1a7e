import fc from "fast-check";
import { expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { GREEDY } from "../model/sampling.ts";
import { Engine } from "./engine.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";

const native = loadNative();
const file = readGguf(BUNDLED_MODEL);
const prompts = bundledPrompts(native, 20);
const EXPERTS = Array.from({ length: 16 }, (_, expert) => expert);
const EVEN = Array.from({ length: 6 }, () => EXPERTS.filter((expert) => expert % 2 === 0));
const ODD = Array.from({ length: 6 }, () => EXPERTS.filter((expert) => expert % 2 === 1));
const LENGTH = 30;

const sampling = fc.record({
  temperature: fc.constantFrom(0, 0.7, 1.5),
  repeatPenalty: fc.constantFrom(1, 1.3),
  repeatLastN: fc.constantFrom(8, 64),
  frequencyPenalty: fc.constantFrom(0, 0.6),
  presencePenalty: fc.constantFrom(0, 0.4),
  seed: fc.nat(),
});

it("an answer goes on after any of its tokens as if it had never been cut (30 cases)", async () => {
  using whole = await Engine.load(native, file, { threads: 1, contextLength: 1024 });
  using part = await Engine.load(native, file, { threads: 1, contextLength: 1024, experts: EVEN });
  using remote = await SplitExperts.load(native, file, [ODD]);
  const cases = fc.record({ prompt: fc.constantFrom(...prompts), cut: fc.nat(LENGTH), sampling, split: fc.boolean() });
  const property = fc.asyncProperty(cases, async ({ prompt, cut, split, ...drawn }) => {
    const options = { maxTokens: LENGTH, topLogprobs: 3, sampling: { ...GREEDY, ...drawn.sampling } };
    const uninterrupted = await runGeneration(whole, prompt, options);
    const replayTokens = uninterrupted.tokens.slice(0, cut);
    const where = split ? { engine: part, remote } : { engine: whole, remote: undefined };
    const resumed = await runGeneration(where.engine, prompt, { ...options, replayTokens, remote: where.remote });
    expect(resumed.events).toEqual(uninterrupted.events.slice(cut));
    expect(bitsOf(resumed.logits)).toBe(bitsOf(uninterrupted.logits.slice(cut)));
    expect(resumed.done.completionTokens).toBe(uninterrupted.done.completionTokens);
    expect(resumed.done.activations).toEqual(uninterrupted.done.activations);
  });
  await fc.assert(property, { seed: 20_260_115, numRuns: 30 });
});

it("a replay that leaves no room ends at once, counting what was replayed", async () => {
  using engine = await Engine.load(native, file, { threads: 1, contextLength: 1024 });
  const [prompt = []] = prompts;
  const { tokens } = await runGeneration(engine, prompt, { maxTokens: 5 });
  const { events, done } = await runGeneration(engine, prompt, { maxTokens: 5, replayTokens: tokens });
  expect(events).toEqual([]);
  expect(done).toMatchObject({ finishReason: "length", completionTokens: 5 });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { loadNative } from "../ggml/library.ts";
import { DOMAINS, domainOf } from "../model/synth/domains.ts";
import { Engine } from "./engine.ts";
import type { ActivationCounts } from "./generation.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const SHAPE = { layers: 12, experts: 32, expertsPerToken: 4, vocabulary: 512 };
const USED_DOMAINS = 6;
const PROMPTS_PER_DOMAIN = 4;
const PROMPT_TOKENS = 96;
/** The other tokens of a prompt are of any domain. */
const OWN_DOMAIN_SHARE = 0.8;

const folder = mkdtempSync(join(tmpdir(), "domains-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of every domain, the activations of some prompts that mostly have its tokens. */
let activations: readonly (readonly ActivationCounts[])[];

beforeAll(async () => {
  const file = writeTestModel({ path: join(folder, "model.gguf"), shape: SHAPE });
  using engine = await Engine.load(loadNative(), file, { threads: 1, contextLength: 256 });
  const random = createRandom(7);
  const trace = async (domain: number): Promise<ActivationCounts> => {
    const { done } = await runGeneration(engine, promptOf(domain, random), { maxTokens: 1, traceTokens: 1 });
    return done.activations.prefill;
  };
  const byDomain: ActivationCounts[][] = [];
  for (let domain = 0; domain < USED_DOMAINS; domain++) {
    const own: ActivationCounts[] = [];
    for (let i = 0; i < PROMPTS_PER_DOMAIN; i++) own.push(await trace(domain));
    byDomain.push(own);
  }
  activations = byDomain;
});

function promptOf(domain: number, random: () => number): number[] {
  return Array.from({ length: PROMPT_TOKENS }, () => {
    const token = Math.floor(random() * SHAPE.vocabulary);
    return random() < OWN_DOMAIN_SHARE ? token - domainOf(token) + domain : token;
  });
}

/** Jensen and Shannon's, in bits: 0 for the same shares, 1 for no expert in common. */
function divergence(a: readonly number[], b: readonly number[]): number {
  const mean = a.map((share, i) => (share + (b[i] ?? 0)) / 2);
  return (relativeEntropy(a, mean) + relativeEntropy(b, mean)) / 2;
}

function relativeEntropy(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, share, i) => sum + (share === 0 ? 0 : share * Math.log2(share / (b[i] ?? 0))), 0);
}

function shares(counts: readonly number[]): readonly number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / total);
}

const layer = (index: number) => activations.map((prompts) => prompts.map((counts) => shares(counts[index] ?? [])));

describe.each(Array.from({ length: SHAPE.layers }, (_, index) => index))("layer %i of a synthetic model", (index) => {
  it("gives prompts of one domain the same experts, and those of another domain others", () => {
    const byDomain = layer(index);
    for (const [domain, [first = [], ...others]] of byDomain.entries()) {
      const strangers = byDomain.filter((_, other) => other !== domain).flat();
      const furthestOwn = Math.max(...others.map((other) => divergence(first, other)));
      const nearestStranger = Math.min(...strangers.map((other) => divergence(first, other)));
      expect(furthestOwn).toBeLessThan(0.1);
      expect(nearestStranger).toBeGreaterThan(2 * furthestOwn);
    }
  });

  it("has popular experts and rare ones in every domain, as Zipf's law has it", () => {
    for (const prompts of layer(index)) {
      const mean = Array.from({ length: SHAPE.experts }, (_, expert) => meanOf(prompts.map((own) => own[expert] ?? 0)));
      const ranked = mean.sort((a, b) => b - a);
      const sum = (first: number, end: number) => ranked.slice(first, end).reduce((a, b) => a + b, 0);
      expect(sum(0, SHAPE.experts / 8)).toBeGreaterThan(1 / 3);
      expect(sum(SHAPE.experts / 2, SHAPE.experts)).toBeLessThan(1 / 5);
    }
  });
});

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

it("every domain has tokens", () => {
  const tokens = Array.from({ length: SHAPE.vocabulary }, (_, token) => token);
  expect(new Set(tokens.map(domainOf)).size).toBe(DOMAINS);
});

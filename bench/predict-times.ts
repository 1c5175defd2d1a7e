import { median } from "../src/core/stats.ts";
import type { Example, Query } from "../src/predictor/example.ts";
import { NEIGHBOUR_DEFAULTS } from "../src/predictor/neighbour-options.ts";
import { NearestNeighbours } from "../src/predictor/neighbours.ts";
import type { Predictor } from "../src/predictor/predictor.ts";
import type { Embedding } from "../src/predictor/prompt-vector.ts";
import { softCosineByDefinition } from "../src/predictor/similarity.ts";
import { toUnit } from "../src/predictor/unit-vector.ts";
import { VectorMatrix } from "../src/predictor/vector-matrix.ts";

const TIMED_QUERIES = 200;

/** Median microseconds of a prediction, of a predictor that has predicted before: compiling its code does not count. */
export function timeQueries(predictor: Pick<Predictor, "predict">, queries: readonly Query[]): number {
  return medianUs(queries.slice(0, TIMED_QUERIES), (query) => predictor.predict(query));
}

/** The definition compares every two tokens of two prompts: over all examples it takes seconds. */
const DEFINITION_QUERIES = 5;
const DEFINITION_EXAMPLES = 100;

/**
 * Median microseconds of a search for the α most similar of all examples, comparing by the definition of the soft cosine.
 * Measured over the first hundred and scaled to all.
 */
export function timeDefinition(examples: readonly Example[], queries: readonly Query[], embedding: Embedding): number {
  const toUnits = ({ tokens }: Query): Float32Array[] =>
    tokens.flatMap((token) => {
      const row = embedding(token);
      return row === null ? [] : [toUnit(row)];
    });
  const prompts = examples.slice(0, DEFINITION_EXAMPLES).map(toUnits);
  const us = medianUs(queries.slice(0, DEFINITION_QUERIES).map(toUnits), (tokens) => {
    const nearest = new NearestNeighbours(NEIGHBOUR_DEFAULTS.alpha);
    for (const [i, prompt] of prompts.entries()) nearest.offer(i, softCosineByDefinition(tokens, prompt));
  });
  return (us * examples.length) / prompts.length;
}

const BRUTE_FORCE_QUERIES = 21;

/** Median milliseconds of a search over so many prompts by the closed form: the given ones over and over again. */
export function timeBruteForce(examples: readonly Example[], prompts: number, dimensions: number): number {
  const vectors = new VectorMatrix(dimensions);
  for (let i = 0; i < prompts; i++) vectors.push((examples[i % examples.length] as Example).vector);
  const queries = Array.from({ length: BRUTE_FORCE_QUERIES }, (_, i) => examples[i % examples.length] as Example);
  return medianUs(queries, ({ vector }) => vectors.topAlpha(vector, NEIGHBOUR_DEFAULTS.alpha)) / 1e3;
}

function medianUs<Asked>(queries: readonly Asked[], answer: (query: Asked) => unknown): number {
  return median(
    queries.map((query) => {
      const began = performance.now();
      answer(query);
      return 1e3 * (performance.now() - began);
    }),
  );
}

import type { Effort } from "./effort.ts";

/** Repeats a measurement until it has been done often enough, or long enough if that comes later. */
export async function repeat<Result>(
  measure: (round: number) => Promise<Result>,
  { leastRepetitions, budgetMs }: Pick<Effort, "leastRepetitions" | "budgetMs">,
  clock: () => number,
): Promise<Result[]> {
  const results: Result[] = [];
  const began = clock();
  while (results.length < leastRepetitions || clock() - began < budgetMs) results.push(await measure(results.length));
  return results;
}

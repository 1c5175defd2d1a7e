const FIRST_MS = 100;
const LONGEST_MS = 10_000;

/**
 * The pause before the next attempt, in milliseconds: doubles with every failure in a row, and differs between clients so
 * that they do not come back all at once.
 * @param failures so far, at least one
 * @param random in [0, 1)
 */
export function backOffMs(failures: number, random: () => number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return ceiling * (0.5 + random() / 2);
}

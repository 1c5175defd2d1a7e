/** How much is measured. */
export interface Effort {
  /** Virtual processors of the measured functions, ascending; 1 is among them. */
  readonly vcpus: readonly number[];
  readonly promptLengths: readonly number[];
  /** Of an answer; and at most, after the shortest prompt, where tokens take little time. */
  readonly outputTokens: number;
  readonly mostOutputTokens: number;
  /** Repetitions of a measurement: at least, and until this long. */
  readonly leastRepetitions: number;
  readonly budgetMs: number;
  /** Longest that a main function works before it is measured. */
  readonly warmUpMs: number;
}

const FULL = {
  promptLengths: [16, 48, 128, 256],
  outputTokens: 64,
  leastRepetitions: 9,
  budgetMs: 400,
  warmUpMs: 3000,
};
const QUICK = { promptLengths: [16, 48, 128], outputTokens: 32, leastRepetitions: 3, budgetMs: 120, warmUpMs: 1000 };

/**
 * @param processors of the machine: larger functions get no faster
 * @param contextLength prompt and answer have to fit
 */
export function chooseEffort({
  processors,
  contextLength,
  isQuick,
}: {
  readonly processors: number;
  readonly contextLength: number;
  readonly isQuick: boolean;
}): Effort {
  const { promptLengths, outputTokens, ...effort } = isQuick ? QUICK : FULL;
  const tokens = Math.max(2, Math.min(outputTokens, Math.floor(contextLength / 2)));
  const lengths = promptLengths.map((length) => Math.min(length, Math.max(1, contextLength - tokens)));
  return {
    ...effort,
    vcpus: sizesUpTo(processors, isQuick ? [0.5, 1] : [0.25, 0.5, 1, 1.5]),
    outputTokens: tokens,
    mostOutputTokens: contextLength - Math.min(...lengths),
    promptLengths: [...new Set(lengths)],
  };
}

/** Some small sizes, then twice as much each time, and the whole machine. */
function sizesUpTo(processors: number, small: readonly number[]): number[] {
  const doubled = Array.from({ length: 10 }, (_, power) => 2 ** (power + 1)).filter((size) => size < processors);
  return [
    ...small.filter((size) => size <= Math.max(1, processors)),
    ...doubled,
    ...(processors > 1 ? [processors] : []),
  ];
}

import { type Spread, spread } from "../src/core/stats.ts";

interface Side {
  readonly tokensPerSecond: Spread;
}

export interface Comparison {
  readonly remoe: Side;
  readonly llama: Side;
  /** libllama's time over Remoe's, turn by turn: above 1, Remoe is faster. */
  readonly ratio: Spread;
}

/** Times of one turn of each side, in milliseconds for the whole turn. */
export interface Turn {
  readonly remoe: number;
  readonly llama: number;
}

/** Both sides, `rounds` times, the order changing; a first round warms up and does not count. */
export async function takeTurns(
  rounds: number,
  remoe: (round: number) => Promise<void>,
  llama: (round: number) => void,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let round = 0; round <= rounds; round++) {
    const timeRemoe = () => timed(() => remoe(round));
    const timeLlama = () => timed(async () => llama(round));
    if (round % 2 === 0) turns.push({ remoe: await timeRemoe(), llama: await timeLlama() });
    else turns.push({ llama: await timeLlama(), remoe: await timeRemoe() });
  }
  return turns.slice(1);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** `tokens`: of one turn */
export function compareTurns(turns: readonly Turn[], tokens: number): Comparison {
  const speed = (side: keyof Turn): Side => ({
    tokensPerSecond: spread(turns.map((turn) => (1000 * tokens) / turn[side])),
  });
  return { remoe: speed("remoe"), llama: speed("llama"), ratio: spread(turns.map((turn) => turn.llama / turn.remoe)) };
}

const ROUNDS = 10;
const MULTIPLIER = 0xd256d193;
const KEY_STEP = 0x9e3779b9;

/**
 * A number in [0, 1) with 53 random bits that depends on (seed, position) alone, so that a restarted generation
 * draws the same numbers again. Any safe integer is a seed; positions run from 0 to 2^32 - 1 and then repeat.
 *
 * Philox2x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 * Distinct (seed, position) pairs are distinct (key, counter) pairs, hence never collide by construction.
 */
export function uniformAt(seed: number, position: number): number {
  let key = seed >>> 0;
  let left = position >>> 0;
  let right = Math.floor(seed / 2 ** 32) >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high = multiplyHigh(MULTIPLIER, left);
    const low = Math.imul(MULTIPLIER, left) >>> 0;
    left = (high ^ key ^ right) >>> 0;
    right = low;
    key = (key + KEY_STEP) >>> 0;
  }
  return (left * 2 ** 21 + (right >>> 11)) / 2 ** 53;
}

/** A stream of numbers in [0, 1): `uniformAt(seed, 0)`, `uniformAt(seed, 1)`, … */
export function createRandom(seed: number): () => number {
  let position = 0;
  return () => uniformAt(seed, position++);
}

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit numbers; a double cannot hold the whole product. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}

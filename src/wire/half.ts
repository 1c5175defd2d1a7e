/** Half precision (IEEE 754 binary16), which JavaScript has no array of. */

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);

/** Rounds to the nearest half, ties to even; too large numbers become infinite. */
export function toHalves(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < halves.length; i++) halves[i] = toHalf(words[i] ?? 0);
  return halves;
}

/** Exact: every half is a float. */
export function fromHalves(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const words = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) words[i] = fromHalf(halves[i] ?? 0);
  return values;
}

const FLOAT_INFINITY = 0x7f800000;
const FLOAT_65536 = 0x47800000;
const FLOAT_SMALLEST_NORMAL_HALF = 0x38800000; // 2^-14
const FLOAT_HALF_OF_SMALLEST_HALF = 0x33000000; // 2^-25
const EXPONENT_BIAS_DIFFERENCE = 0x38000000; // (127 - 15) << 23

/** Float bits to half bits. */
function toHalf(float: number): number {
  const sign = (float >>> 16) & 0x8000;
  const magnitude = float & 0x7fffffff;
  if (magnitude > FLOAT_INFINITY) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // quiet NaN
  if (magnitude >= FLOAT_65536) return sign | 0x7c00;
  if (magnitude <= FLOAT_HALF_OF_SMALLEST_HALF) return sign; // the tie at 2^-25 goes to the even 0
  if (magnitude < FLOAT_SMALLEST_NORMAL_HALF) return sign | toSubnormalHalf(magnitude);
  // A carry out of the mantissa raises the exponent, up to infinity, as it should.
  return sign | ((magnitude - EXPONENT_BIAS_DIFFERENCE + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** Counts units of 2^-24. */
function toSubnormalHalf(magnitude: number): number {
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const units = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return rest > middle || (rest === middle && (units & 1) === 1) ? units + 1 : units;
}

/** Half bits to float bits. */
function fromHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) return sign | FLOAT_INFINITY | ((magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400) return sign | ((magnitude << 13) + EXPONENT_BIAS_DIFFERENCE);
  number[0] = magnitude * 2 ** -24;
  return sign | (bits[0] ?? 0);
}

/** Plain linear algebra in double precision, for formulas written out in tests. */
export type Vector = Float64Array;
/** A list of rows, one for each output. */
export type Matrix = readonly Vector[];

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

export function multiply(matrix: Matrix, x: Vector): Vector {
  const result = new Float64Array(matrix.length);
  for (const [i, row] of matrix.entries()) result[i] = dot(row, x);
  return result;
}

export function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] as number));
}

export function softmax(scores: readonly number[]): number[] {
  const maximum = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - maximum));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((exponential) => exponential / sum);
}

export function weightedSum(weights: readonly number[], vectors: readonly Vector[]): Vector {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const [j, vector] of vectors.entries()) {
    const weight = weights[j] as number;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (vector[i] as number);
  }
  return sum;
}

export function split(x: Vector, parts: number): Vector[] {
  const width = x.length / parts;
  return Array.from({ length: parts }, (_, i) => x.slice(i * width, (i + 1) * width));
}

export function join(parts: readonly Vector[]): Vector {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}

/** To the 11 significant bits of half precision. */
export function roundToHalf(x: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10);
  return Math.round(x / unit) * unit;
}

/**
 * The x ≥ 0 that minimises ‖A x − b‖², by the active-set method of Lawson and Hanson (Solving Least Squares Problems,
 * 1974): terms that would turn negative are 0, and the others are fitted without them.
 * @param rows A: as many numbers in each row
 * @param values b: as many as rows
 */
export function nonNegativeLeastSquares(
  rows: readonly (readonly number[])[],
  values: readonly number[],
): readonly number[] {
  const width = rows[0]?.length ?? 0;
  const x = new Array<number>(width).fill(0);
  const free = new Set<number>();
  for (let step = 0; step < STEPS_PER_TERM * width; step++) {
    const entering = steepest(rows, residuals(rows, values, x), free);
    if (entering === null) break;
    free.add(entering);
    settle(x, free, (terms) => leastSquares(rows, values, terms));
  }
  return x;
}

/** A term enters about once; ties between terms that rounding cannot tell apart end here. */
const STEPS_PER_TERM = 3;
/** Of a gradient, relative to the lengths of the vectors it is the product of. */
const TOLERANCE = 1e-12;

function residuals(rows: readonly (readonly number[])[], values: readonly number[], x: readonly number[]): number[] {
  return rows.map((row, i) => (values[i] as number) - dot(row, x));
}

/** The term at 0 whose growth helps most; `null` if none does. */
function steepest(
  rows: readonly (readonly number[])[],
  rest: readonly number[],
  free: ReadonlySet<number>,
): number | null {
  let best: { readonly term: number; readonly slope: number } | null = null;
  const restLength = Math.sqrt(dot(rest, rest));
  for (let term = 0; term < (rows[0]?.length ?? 0); term++) {
    const column = rows.map((row) => row[term] as number);
    const length = Math.sqrt(dot(column, column));
    const slope = dot(column, rest) / length;
    if (free.has(term) || !(slope > TOLERANCE * restLength) || slope <= (best?.slope ?? 0)) continue;
    best = { term, slope };
  }
  return best === null ? null : best.term;
}

/** Moves x to the optimum of the free terms; those that meet 0 on the way are free no more. */
function settle(x: number[], free: Set<number>, solve: (terms: readonly number[]) => readonly number[]): void {
  while (free.size > 0) {
    const terms = [...free];
    const target = solve(terms);
    const share = terms.reduce((least, term, i) => {
      const [from, to] = [x[term] as number, target[i] as number];
      return to > 0 ? least : Math.min(least, from / (from - to || 1));
    }, 1);
    for (const [i, term] of terms.entries()) {
      const from = x[term] as number;
      const to = from + share * ((target[i] as number) - from);
      const isStopped = (target[i] as number) <= 0 && to <= from * TOLERANCE;
      x[term] = isStopped ? 0 : to;
      if (isStopped) free.delete(term);
    }
    if (share === 1) return;
  }
}

/** The least-squares solution in some terms, by the normal equations. */
function leastSquares(
  rows: readonly (readonly number[])[],
  values: readonly number[],
  terms: readonly number[],
): readonly number[] {
  const matrix = terms.map((a) => [
    ...terms.map((b) => sum(rows, (row) => (row[a] as number) * (row[b] as number))),
    rows.reduce((total, row, i) => total + (row[a] as number) * (values[i] as number), 0),
  ]);
  return solve(matrix);
}

/** Gauss's elimination with pivots from the column; a term that others already explain is 0. */
function solve(matrix: number[][]): readonly number[] {
  const size = matrix.length;
  for (let column = 0; column < size; column++) {
    const pivot = pivotRow(matrix, column);
    [matrix[column], matrix[pivot]] = [matrix[pivot] as number[], matrix[column] as number[]];
    const own = matrix[column] as number[];
    for (let row = 0; row < size; row++) {
      if (row === column || own[column] === 0) continue;
      const other = matrix[row] as number[];
      const factor = (other[column] as number) / (own[column] as number);
      for (let i = column; i <= size; i++) other[i] = (other[i] as number) - factor * (own[i] as number);
    }
  }
  return matrix.map((row, i) => (row[i] === 0 ? 0 : (row[size] as number) / (row[i] as number)));
}

function pivotRow(matrix: readonly (readonly number[])[], column: number): number {
  let best = column;
  for (let row = column + 1; row < matrix.length; row++) {
    if (Math.abs(matrix[row]?.[column] ?? 0) > Math.abs(matrix[best]?.[column] ?? 0)) best = row;
  }
  return best;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, i) => total + value * (b[i] as number), 0);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

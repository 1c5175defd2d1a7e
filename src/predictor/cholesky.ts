/**
 * Solves A X = B for a symmetric positive definite A by A = L Lᵀ. Works in place: A becomes L (lower triangle), B becomes X.
 *
 * @param a row-major [size × size], of which only the lower triangle is read
 * @param b row-major [size × columns]
 */
export function solveByCholesky(a: Float64Array, b: Float64Array, size: number): void {
  factorise(a, size);
  const columns = b.length / size;
  // L Y = B, downwards.
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) subtractRow(b, { from: i, row: j, factor: a[i * size + j] as number, columns });
    divideRow(b, i, a[i * size + i] as number, columns);
  }
  // Lᵀ X = Y, upwards.
  for (let i = size - 1; i >= 0; i--) {
    for (let j = i + 1; j < size; j++) subtractRow(b, { from: i, row: j, factor: a[j * size + i] as number, columns });
    divideRow(b, i, a[i * size + i] as number, columns);
  }
}

/** L[i][j] = (A[i][j] − Σ_{m<j} L[i][m] L[j][m]) / L[j][j], and the root of the same on the diagonal. */
function factorise(a: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * size + j] as number;
      for (let m = 0; m < j; m++) sum -= (a[i * size + m] as number) * (a[j * size + m] as number);
      a[i * size + j] = i === j ? Math.sqrt(sum) : sum / (a[j * size + j] as number);
    }
  }
}

interface RowStep {
  readonly from: number;
  readonly row: number;
  readonly factor: number;
  readonly columns: number;
}

function subtractRow(b: Float64Array, { from, row, factor, columns }: RowStep): void {
  for (let c = 0; c < columns; c++) {
    b[from * columns + c] = (b[from * columns + c] as number) - factor * (b[row * columns + c] as number);
  }
}

function divideRow(b: Float64Array, row: number, divisor: number, columns: number): void {
  for (let c = row * columns; c < (row + 1) * columns; c++) b[c] = (b[c] as number) / divisor;
}

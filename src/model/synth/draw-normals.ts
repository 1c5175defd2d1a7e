/** Numbers with mean 0 and the given standard deviation, by Box and Muller's transform. */
export function drawNormals(random: () => number, count: number, deviation: number): Float32Array {
  return Float32Array.from({ length: count }, () => deviation * standardNormal(random));
}

function standardNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Of equal numbers the first; -1 when there are none. */
export function indexOfLeast(costs: ArrayLike<number>): number {
  let least = costs.length > 0 ? 0 : -1;
  for (let i = 1; i < costs.length; i++) {
    if ((costs[i] as number) < (costs[least] as number)) least = i;
  }
  return least;
}

/** Runs work that yields after each step to its end. */
export function complete<T>(work: Generator<void, T, void>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

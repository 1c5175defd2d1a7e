/** Lets everything else run until the condition holds; the test's own time limit is the only clock. */
export async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

/** Everything that can run now has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Tasks that end when the test says so. */
function createTasks(turns: Turns) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string): Promise<void> =>
    turns.run(async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await settled();
  };
  return { begun, run, end };
}

describe("turns", () => {
  it("go to as many as may have one at the same time, then to the others in order of arrival", async () => {
    const { begun, run, end } = createTasks(new Turns(2));
    for (const name of ["a", "b", "c", "d"]) void run(name);
    await settled();
    expect(begun).toEqual(["a", "b"]);
    await end("b");
    expect(begun).toEqual(["a", "b", "c"]);
    await end("a");
    expect(begun).toEqual(["a", "b", "c", "d"]);
  });

  it("pass on when a task fails, which is its own caller's to know", async () => {
    const turns = new Turns(1);
    const { begun, run } = createTasks(turns);
    const failing = turns.run(() => Promise.reject(new Error("no")));
    void run("next");
    await expect(failing).rejects.toThrow("no");
    await settled();
    expect(begun).toEqual(["next"]);
  });

  it("close when all that came before have ended", async () => {
    const turns = new Turns(2);
    const { begun, run, end } = createTasks(turns);
    for (const name of ["a", "b", "c"]) void run(name);
    let closed = false;
    void turns.close().then(() => {
      closed = true;
    });
    await settled();
    for (const name of ["a", "b"]) await end(name);
    expect([begun, closed]).toEqual([["a", "b", "c"], false]);
    await end("c");
    expect(closed).toBe(true);
  });
});

import { describe, expect, it } from "vitest";
import { type Team, ThreadChoice } from "./thread-choice.ts";

/** Lets a choice run where teams take these times. → how often each team ran */
function run(choice: ThreadChoice, count: number, ms: { readonly [team in Team]: number }) {
  const runs = { all: 0, one: 0 };
  for (let i = 0; i < count; i++) {
    const team = choice.next();
    runs[team]++;
    choice.took(team, ms[team]);
  }
  return runs;
}

describe("the choice of threads", () => {
  it("takes all of them on an idle machine, after a look at one", () => {
    const choice = new ThreadChoice();
    expect(run(choice, 1000, { all: 0.5, one: 0.6 }).one).toBeLessThan(15);
    expect(choice.faster).toBe("all");
  });

  it("takes one on a busy machine", () => {
    const choice = new ThreadChoice();
    expect(run(choice, 1000, { all: 40, one: 0.6 }).all).toBeLessThan(15);
    expect(choice.faster).toBe("one");
  });

  it("notices soon that the machine got busy", () => {
    const choice = new ThreadChoice();
    run(choice, 1000, { all: 0.5, one: 0.6 });
    expect(run(choice, 100, { all: 40, one: 0.6 }).all).toBeLessThan(5);
  });

  it("notices in the end that the machine is idle again", () => {
    const choice = new ThreadChoice();
    run(choice, 200, { all: 40, one: 0.6 });
    run(choice, 20_000, { all: 0.5, one: 0.6 });
    expect(choice.faster).toBe("all");
  });

  it("takes one as long as nothing is known", () => {
    expect(new ThreadChoice().faster).toBe("one");
  });

  it("does not mind a slow first run, which lays out memory", () => {
    const choice = new ThreadChoice();
    choice.took(choice.next(), 1000);
    run(choice, 20, { all: 0.5, one: 0.6 });
    expect(choice.faster).toBe("all");
  });
});

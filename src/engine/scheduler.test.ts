import { describe, expect, it } from "vitest";
import type { DecodeResult, DecodeStep, PassStrategy } from "./pass-strategy.ts";
import { type Member, Scheduler } from "./scheduler.ts";
import { TimeShares } from "./time-shares.ts";

const region = { first: 0, rows: 256 };

/** Logits are one number, the token's, in a memory that every pass overwrites. Keeps what was computed, in order. */
class FakePasses implements PassStrategy {
  readonly log: string[] = [];
  readonly #logits = new Float32Array(8);
  failing: number | "pass" | null = null;

  async prefill(tokens: readonly number[], position: number): Promise<Float32Array> {
    this.log.push(`prompt ${tokens.length} at ${position}`);
    await Promise.resolve();
    return this.#logits.fill(-1).subarray(0, 1);
  }

  async decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    this.log.push(`tokens ${steps.map(({ token }) => token)}`);
    await Promise.resolve();
    if (this.failing === "pass") throw new Error("the pass failed");
    return steps.map(({ token }, i) => {
      this.#logits[i] = token;
      return token === this.failing
        ? { error: new Error("its experts are lost") }
        : { logits: this.#logits.subarray(i, i + 1) };
    });
  }

  [Symbol.dispose](): void {}
}

function create() {
  const passes = new FakePasses();
  const scheduler = new Scheduler(passes, new TimeShares(() => 0));
  const decode = (member: Member, token: number) => scheduler.decode(member, { token, position: 0, region });
  const prompt = (member: Member, length: number) =>
    scheduler.prefill(member, { tokens: Array(length).fill(0), position: 0, options: { region, isLast: true } });
  return { passes, scheduler, decode, prompt };
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("the next tokens of sequences", () => {
  it("are computed together once all that had one have come back", async () => {
    const { passes, scheduler, decode } = create();
    const [a, b] = [scheduler.join(), scheduler.join()];
    await Promise.all([decode(a, 1), decode(b, 2)]);
    const first = decode(a, 3);
    await turns(2);
    await Promise.all([first, decode(b, 4)]);
    expect(passes.log.at(-1)).toBe("tokens 3,4");
  });

  it("do not wait for a sequence that has left", async () => {
    const { passes, scheduler, decode } = create();
    const [a, b] = [scheduler.join(), scheduler.join()];
    await Promise.all([decode(a, 1), decode(b, 2)]);
    const next = decode(a, 3);
    scheduler.leave(b);
    await next;
    expect(passes.log.at(-1)).toBe("tokens 3");
  });

  it("wait only a moment for one whose client reads slowly", async () => {
    const { passes, scheduler, decode } = create();
    const [a, b] = [scheduler.join(), scheduler.join()];
    await Promise.all([decode(a, 1), decode(b, 2)]);
    await decode(a, 3);
    await decode(a, 4);
    await decode(b, 5);
    expect(passes.log.slice(-3)).toEqual(["tokens 3", "tokens 4", "tokens 5"]);
  });

  it("take turns with prompts", async () => {
    const { passes, scheduler, decode, prompt } = create();
    const [a, b, c] = [scheduler.join(), scheduler.join(), scheduler.join()];
    const tokens = async (): Promise<void> => {
      for (const token of [1, 2, 3]) await decode(a, token);
    };
    await Promise.all([prompt(b, 512), prompt(c, 70), tokens()]);
    expect(passes.log.indexOf("tokens 1")).toBeLessThan(passes.log.indexOf("prompt 70 at 0"));
    expect(passes.log).toHaveLength(5);
  });

  it("are read before the next pass overwrites them", async () => {
    const { scheduler, decode, prompt } = create();
    const [a, b] = [scheduler.join(), scheduler.join()];
    const read = decode(a, 7).then((logits) => logits[0]);
    const other = prompt(b, 4).then((logits) => logits?.[0]);
    expect([await read, await other]).toEqual([7, -1]);
  });
});

describe("a failure", () => {
  it("of one sequence is no other's", async () => {
    const { passes, scheduler, decode } = create();
    const [a, b, c] = [scheduler.join(), scheduler.join(), scheduler.join()];
    await Promise.all([decode(a, 1), decode(b, 2), decode(c, 3)]);
    passes.failing = 5;
    const results = await Promise.allSettled([decode(a, 4), decode(b, 5), decode(c, 6)]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("of a pass is every sequence's in it, and the next pass is computed", async () => {
    const { passes, scheduler, decode } = create();
    const [a, b] = [scheduler.join(), scheduler.join()];
    passes.failing = "pass";
    const failed = await Promise.allSettled([decode(a, 1), decode(b, 2)]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    passes.failing = null;
    expect((await decode(a, 3))[0]).toBe(3);
  });
});

import { describe, expect, it } from "vitest";
import type { Plan } from "../planner/plan.ts";
import { BackgroundStarts } from "./background-starts.ts";

const planOf = (memoryMb: number): Plan => ({ specMain: { memoryMb }, layers: [] });
const [SMALL, MIDDLE, LARGE] = [planOf(512), planOf(1024), planOf(2048)] as const;

/** Starts end when `end` is called. */
function createTestStarts() {
  const gateway = { isIdle: true };
  const started: Plan[] = [];
  let end: (error?: Error) => void = () => {};
  const starts = new BackgroundStarts({
    isIdle: () => gateway.isIdle,
    start: (plan) => {
      started.push(plan);
      return new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    },
  });
  return { starts, gateway, started, end: (error?: Error) => end(error) };
}

describe("starts in the background", () => {
  it("wait until no request runs", async () => {
    const { starts, gateway, started, end } = createTestStarts();
    gateway.isIdle = false;
    starts.want(SMALL);
    await starts.proceed();
    expect(started).toEqual([]);
    gateway.isIdle = true;
    const proceeding = starts.proceed();
    expect([started, starts.isUnderWay]).toEqual([[SMALL], true]);
    end();
    await proceeding;
    expect(starts.isUnderWay).toBe(false);
  });

  it("come one after the other, and only the last that was asked for", async () => {
    const { starts, started, end } = createTestStarts();
    starts.want(SMALL);
    const proceeding = starts.proceed();
    starts.want(MIDDLE);
    starts.want(LARGE);
    await starts.proceed();
    expect(started).toEqual([SMALL]);
    end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toEqual([SMALL, LARGE]);
    end();
    await proceeding;
  });

  it("do not follow each other while a request runs", async () => {
    const { starts, gateway, started, end } = createTestStarts();
    starts.want(SMALL);
    const proceeding = starts.proceed();
    starts.want(LARGE);
    gateway.isIdle = false;
    end();
    await proceeding;
    expect(started).toEqual([SMALL]);
  });

  it("may fail, which nobody waits for", async () => {
    const { starts, end } = createTestStarts();
    starts.want(SMALL);
    const proceeding = starts.proceed();
    end(new Error("no memory"));
    await proceeding;
    expect(starts.isUnderWay).toBe(false);
  });
});

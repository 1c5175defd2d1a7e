import { beforeEach, describe, expect, it } from "vitest";
import { CircuitBreaker } from "./circuit-breaker.ts";

describe("a circuit breaker", () => {
  let now = 0;
  let breaker: CircuitBreaker;
  beforeEach(() => {
    now = 0;
    breaker = new CircuitBreaker({ threshold: 2, cooldownMs: 100, maxCooldownMs: 300, clock: () => now });
  });

  const failTimes = (count: number): void => {
    for (let i = 0; i < count; i++) {
      expect(breaker.tryEnter()).toBe(true);
      breaker.failed();
    }
  };

  it("lets calls through until as many failed in a row as the threshold says", () => {
    failTimes(1);
    expect(breaker.isClosed).toBe(true);
    failTimes(1);
    expect(breaker.isClosed).toBe(false);
    expect(breaker.tryEnter()).toBe(false);
  });

  it("forgets failures after a success", () => {
    failTimes(1);
    breaker.succeeded();
    failTimes(1);
    expect(breaker.isClosed).toBe(true);
  });

  it("opens at once after a failure that leaves no doubt", () => {
    breaker.failed(true);
    expect(breaker.tryEnter()).toBe(false);
  });

  it("lets one trial through after the cooldown, and closes when it succeeds", () => {
    failTimes(2);
    now = 99;
    expect(breaker.tryEnter()).toBe(false);
    now = 100;
    expect(breaker.tryEnter()).toBe(true);
    expect(breaker.tryEnter()).toBe(false);
    breaker.succeeded();
    expect(breaker.isClosed).toBe(true);
  });

  it("lets another trial through when the first was given up by its caller", () => {
    failTimes(2);
    now = 100;
    expect(breaker.tryEnter()).toBe(true);
    breaker.left();
    expect(breaker.tryEnter()).toBe(true);
  });

  it("doubles the cooldown with every failed trial, up to the maximum", () => {
    failTimes(2);
    const cooldowns: number[] = [];
    for (let trial = 0; trial < 4; trial++) {
      const opened = now;
      while (!breaker.tryEnter()) now++;
      cooldowns.push(now - opened);
      breaker.failed();
    }
    expect(cooldowns).toEqual([100, 200, 300, 300]);
  });
});

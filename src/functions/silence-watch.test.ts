import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SilenceWatch } from "./silence-watch.ts";

describe("a watch for silence", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const watch = (isAlive: () => Promise<boolean>) => {
    const onHang = vi.fn();
    return { onHang, watch: new SilenceWatch({ silenceMs: 100, answerMs: 10, isAlive, onHang }) };
  };

  it("asks nothing as long as something is heard", async () => {
    const isAlive = vi.fn(async () => false);
    const { onHang, watch: running } = watch(isAlive);
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(90);
      running.heard();
    }
    expect(isAlive).not.toHaveBeenCalled();
    expect(onHang).not.toHaveBeenCalled();
  });

  it("is patient with what is silent but answers", async () => {
    const isAlive = vi.fn(async () => true);
    const { onHang } = watch(isAlive);
    await vi.advanceTimersByTimeAsync(1000);
    expect(isAlive.mock.calls.length).toBeGreaterThan(5);
    expect(onHang).not.toHaveBeenCalled();
  });

  it.each([
    ["says no", async () => false],
    ["cannot be asked", () => Promise.reject(new Error("refused"))],
  ])("tells once when it %s", async (_name, isAlive) => {
    const { onHang } = watch(isAlive);
    await vi.advanceTimersByTimeAsync(1000);
    expect(onHang).toHaveBeenCalledTimes(1);
  });

  it("tells nothing any more when it has ended", async () => {
    const { onHang, watch: running } = watch(async () => false);
    running[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(1000);
    expect(onHang).not.toHaveBeenCalled();
  });
});

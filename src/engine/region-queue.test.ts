import { describe, expect, it } from "vitest";
import { CacheRegions } from "./cache-regions.ts";
import { RegionQueue } from "./region-queue.ts";

const never = new AbortController().signal;

describe("sequences that want room in the cache", () => {
  it("get it at once while there is some", async () => {
    const queue = new RegionQueue(new CacheRegions(8));
    expect(await queue.take(5, never)).toEqual({ first: 0, rows: 5 });
    expect(await queue.take(3, never)).toEqual({ first: 5, rows: 3 });
  });

  it("wait for it in the order they came, a small one behind a large one too", async () => {
    const queue = new RegionQueue(new CacheRegions(8));
    const first = await queue.take(6, never);
    const order: string[] = [];
    const large = queue.take(8, never).then((region) => {
      order.push("large");
      queue.give(region);
    });
    const small = queue.take(1, never).then(() => order.push("small"));
    queue.give(first);
    await Promise.all([large, small]);
    expect(order).toEqual(["large", "small"]);
  });

  it("leave the queue when they are aborted, and let the next one through", async () => {
    const queue = new RegionQueue(new CacheRegions(8));
    await queue.take(6, never);
    const leaving = new AbortController();
    const large = queue.take(8, leaving.signal);
    const small = queue.take(2, never);
    leaving.abort(new Error("left"));
    await expect(large).rejects.toThrow("left");
    expect(await small).toEqual({ first: 6, rows: 2 });
    await expect(queue.take(1, leaving.signal)).rejects.toThrow("left");
  });
});

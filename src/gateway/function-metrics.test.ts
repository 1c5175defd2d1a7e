import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { billRequest } from "../ledger/bill.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { functionUsage } from "../ledger/testing/function-usage.ts";
import { createPlatform } from "../platform/instance-pool.ts";
import { createManualTime } from "../platform/testing/manual-time.ts";
import { COLD_START, createScriptedLauncher } from "../platform/testing/scripted-launcher.ts";
import { registerFunctionMetrics } from "./function-metrics.ts";
import { testMain, testPriceBook } from "./testing/create-test-gateway.ts";

const NO_PRICES = { perGbSecond: 0, perVcpuSecond: 0, perGpuGbSecond: 0 };
/** A GB-second costs 1 of busy and 0.5 of idle time. */
const dollars: PriceBook = {
  ...testPriceBook,
  name: "dollars",
  currency: "USD",
  unit: { name: "USD", price: 1 },
  perRequest: 0,
  busy: { ...NO_PRICES, perGbSecond: 1 },
  idle: { ...NO_PRICES, perGbSecond: 0.5 },
};
const euros: PriceBook = { ...dollars, name: "euros", currency: "EUR" };
const KEEP_ALIVE_MS = 60_000;

function createTestMetrics(priceBooks: readonly PriceBook[] = [dollars]) {
  const launcher = createScriptedLauncher();
  const { clock, schedule, advance } = createManualTime();
  const platform = createPlatform(launcher, { clock, schedule, keepAliveMs: KEEP_ALIVE_MS });
  const registry = new Registry();
  const metrics = registerFunctionMetrics(registry, { priceBooks, platforms: [platform] });
  const lease = async (spec = testMain) => {
    const acquired = platform.acquire(spec);
    launcher.starts.at(-1)?.becomeReady();
    return await acquired;
  };
  /** The samples of one metric. */
  const read = async (name: string): Promise<string[]> => {
    const text = await registry.metrics();
    return text.split("\n").filter((line) => line.startsWith(`${name}{`) && !line.endsWith(" 0"));
  };
  /** Lets the exit of an ended instance be noticed. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { ...metrics, launcher, platform, advance, lease, read, settled };
}

describe("instances", () => {
  it("are counted by role and state at each scrape", async () => {
    const { lease, platform, read } = createTestMetrics();
    const held = await lease();
    void platform.acquire(testMain);
    expect(await read("remoe_instances")).toEqual([
      'remoe_instances{role="main",state="starting"} 1',
      'remoe_instances{role="main",state="leased"} 1',
    ]);
    held.release();
    expect(await read("remoe_instances")).toContain('remoe_instances{role="main",state="idle"} 1');
  });

  it("are counted with the requests that use them", async () => {
    const { lease, read } = createTestMetrics();
    const shared = { ...testMain, concurrency: 2 };
    const [first] = [await lease(shared), await lease(shared), await lease(shared)];
    expect(await read("remoe_instance_leases")).toEqual(['remoe_instance_leases{role="main"} 3']);
    first.release();
    expect(await read("remoe_instance_leases")).toEqual(['remoe_instance_leases{role="main"} 2']);
  });

  it("are counted when they end, with the reason", async () => {
    const { launcher, lease, read, settled } = createTestMetrics();
    await lease();
    launcher.starts[0]?.end({ reason: "out-of-memory", description: "it wanted more" });
    await settled();
    expect(await read("remoe_instance_exits_total")).toEqual([
      'remoe_instance_exits_total{role="main",reason="out-of-memory"} 1',
    ]);
  });
});

describe("bills", () => {
  const usage = functionUsage({ memoryMb: 2048, invocations: 3, busyMs: 500, billedMs: 500 });

  it("add up", async () => {
    const { addBill, read } = createTestMetrics();
    addBill(billRequest([usage], dollars));
    addBill(billRequest([usage, functionUsage({ role: "experts", invocations: 1, billedMs: 250 })], dollars));
    expect(await read("remoe_invocations_total")).toEqual([
      'remoe_invocations_total{role="main"} 6',
      'remoe_invocations_total{role="experts"} 1',
    ]);
    expect(await read("remoe_billed_seconds_total")).toEqual([
      'remoe_billed_seconds_total{role="main",phase="busy"} 1',
      'remoe_billed_seconds_total{role="experts",phase="busy"} 0.25',
    ]);
    expect(await read("remoe_gigabyte_seconds_total")).toEqual([
      'remoe_gigabyte_seconds_total{role="main",phase="busy"} 2',
      'remoe_gigabyte_seconds_total{role="experts",phase="busy"} 0.25',
    ]);
    expect(await read("remoe_cost_total")).toEqual([
      'remoe_cost_total{role="main",phase="busy",currency="USD"} 2',
      'remoe_cost_total{role="experts",phase="busy",currency="USD"} 0.25',
    ]);
  });

  it("in different currencies stay apart", async () => {
    const { addBill, read } = createTestMetrics([dollars, euros]);
    addBill(billRequest([usage], euros));
    addBill(billRequest([usage], dollars));
    expect(await read("remoe_cost_total")).toEqual([
      'remoe_cost_total{role="main",phase="busy",currency="USD"} 1',
      'remoe_cost_total{role="main",phase="busy",currency="EUR"} 1',
    ]);
    expect(await read("remoe_invocations_total")).toEqual(['remoe_invocations_total{role="main"} 6']);
  });
});

describe("idle time", () => {
  it("that no request used costs something when the instance has expired", async () => {
    const { advance, launcher, lease, read, settled } = createTestMetrics();
    (await lease()).release();
    advance(KEEP_ALIVE_MS);
    launcher.starts[0]?.end();
    await settled();
    expect(await read("remoe_billed_seconds_total")).toEqual([
      'remoe_billed_seconds_total{role="main",phase="keep-alive"} 60',
    ]);
    expect(await read("remoe_cost_total")).toEqual([
      'remoe_cost_total{role="main",phase="keep-alive",currency="USD"} 30',
    ]);
  });

  it("before another request is on that request's bill", async () => {
    const { advance, launcher, lease, read, settled } = createTestMetrics();
    (await lease()).release();
    advance(1000);
    expect((await lease()).idleMs).toBe(1000);
    advance(1000);
    launcher.starts[0]?.end();
    await settled();
    expect(await read("remoe_billed_seconds_total")).toEqual([]);
  });

  it("and a start that nobody used cost something too", async () => {
    const { advance, launcher, lease, read, settled } = createTestMetrics();
    (await lease()).putBack();
    advance(2000);
    launcher.starts[0]?.end();
    await settled();
    expect(await read("remoe_billed_seconds_total")).toEqual([
      `remoe_billed_seconds_total{role="main",phase="cold-start"} ${COLD_START.totalMs / 1000}`,
      'remoe_billed_seconds_total{role="main",phase="keep-alive"} 2',
    ]);
  });

  it("costs something where a start fails", async () => {
    const { advance, launcher, platform, read, settled } = createTestMetrics();
    const acquired = platform.acquire(testMain);
    advance(3000);
    launcher.starts[0]?.fail(new Error("no"));
    await expect(acquired).rejects.toThrow();
    await settled();
    expect(await read("remoe_billed_seconds_total")).toEqual([
      'remoe_billed_seconds_total{role="main",phase="cold-start"} 3',
    ]);
  });

  it("is not watched any more after the end of the gateway", async () => {
    const { advance, close, launcher, lease, read, settled } = createTestMetrics();
    (await lease()).release();
    close();
    advance(KEEP_ALIVE_MS);
    launcher.starts[0]?.end();
    await settled();
    expect([await read("remoe_billed_seconds_total"), await read("remoe_instance_exits_total")]).toEqual([[], []]);
  });
});

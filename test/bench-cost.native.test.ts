import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ColdStartBenchmark } from "../bench/coldstart.ts";
import type { CostBenchmark } from "../bench/cost.ts";
import { runRemoe, startRemoe } from "./run-remoe.ts";
import { writeProfile } from "./testing/profile-file.ts";

/** Enough to run every step; what it takes is of no interest here. */
const FEW = ["--limit", "8", "--max-tokens", "4", "--methods", "cpu,gpu,all-remote,remoe", "--json"];

let profile = "";
beforeAll(() => {
  profile = writeProfile();
});
afterAll(() => rmSync(dirname(profile), { recursive: true }));

async function bench<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runRemoe(["bench", ...args, "--profile", profile, ...FEW]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as T;
}

describe("`remoe bench cost` with a profile", () => {
  it("serves the same prompts by every method that can run here, with the same tokens", async () => {
    const { measured, modelled, methods, requests } = await bench<CostBenchmark>("cost", "--requests", "1");
    const [own] = measured;
    expect(own).toMatchObject({ kind: "measured", model: "tiny-moe", priceBook: "aws-lambda-x86", pastRequests: 8 });
    expect(own?.identical).toBe(true);
    expect(own?.methods).toMatchObject({ cpu: { remoteExperts: 0 }, gpu: null, "all-remote": { remoteExperts: 96 } });
    expect(own?.errors["all-remote"]?.warm?.requests).toBe(1);
    expect(Object.entries(own?.repeatability ?? {}).map(([name, { requests: times }]) => [name, times])).toEqual([
      ["cpu", 1],
      ["all-remote", 1],
    ]);
    expect(methods).toEqual(own?.methods);
    expect(requests).toBe(1);
    expect(modelled.map(({ kind, model }) => [kind, model])).toEqual([
      ["modelled", "deepseek-v2-lite"],
      ["modelled", "gpt2-moe"],
    ]);
  }, 60_000);

  it.each(["SIGINT", "SIGKILL"] as const)(
    "leaves no past requests behind when %s ends it",
    async (signal) => {
      const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
      const left = (): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" });
      const { child, ended } = startRemoe(["bench", "cost", "--profile", profile, ...FEW], { env: { TMPDIR: folder } });
      const requests = expect.stringMatching(/requests\.history$/);
      await expect.poll(left, { timeout: 60_000, interval: 5 }).toContainEqual(requests);
      child.kill(signal);
      await ended;
      await expect.poll(left, { timeout: 10_000 }).toEqual([]);
      rmSync(folder, { recursive: true });
    },
    60_000,
  );
});

describe("`remoe bench coldstart` with a profile", () => {
  it("starts the functions of every method that can run here", async () => {
    const { measured, reference } = await bench<ColdStartBenchmark>("coldstart", "--starts", "1");
    const { cpu, gpu, "all-remote": split, remoe } = measured[0]?.methods ?? {};
    expect(gpu).toBeNull();
    expect(cpu).toMatchObject({ remoteMs: 0, calculateMs: 0, remoteExperts: 0 });
    expect(split?.remoteMs).toBeGreaterThan(0);
    expect(remoe?.calculateMs).toBeGreaterThan(0);
    expect(reference).toBe("cpu");
  }, 60_000);
});

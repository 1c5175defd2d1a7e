import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type System, startSystem } from "../src/cli/system.ts";
import type { PlanReasons } from "../src/gateway/plan-choice.ts";
import type { Plan } from "../src/planner/plan.ts";
import { runRemoe } from "./run-remoe.ts";
import { writeProfile } from "./testing/profile-file.ts";
import { ask, questions } from "./testing/split-system.ts";

const NO_SLO = { ttftMs: null, tpotMs: null };
/** Out of reach with every expert in the main function of {@link slowMain}, not with experts elsewhere. */
const SPLITTING_SLO = { ttftMs: null, tpotMs: 4 };

let folder: string;
let even: string;
let slowMain: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "plan-"));
  even = writeProfile();
  slowMain = writeProfile({ localRowMs: 2, remoteRowMs: 0.02 });
});
afterAll(() => {
  for (const each of [folder, dirname(even), dirname(slowMain)]) rmSync(each, { recursive: true });
});

describe("remoe plan", () => {
  it("says where experts would run, what it would take and cost, and what else would", async () => {
    const { code, stdout } = await runRemoe(["plan", "--profile", even, "--json"]);
    expect(code).toBe(0);
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({
      schemaVersion: 1,
      specMain: { memoryMb: expect.any(Number) },
      layers: [],
      predicted: { ttftMs: expect.any(Number), tpotMs: expect.any(Number), cost: expect.any(Number) },
      baselines: { cpu: { feasible: true }, gpu: null, fetch: null, mix: null },
      feasible: true,
      binding: null,
    });
    expect(plan.predicted.cost).toBeLessThanOrEqual(plan.baselines.cpu.cost);
  });

  it("makes a plan that remoe run takes", async () => {
    const args = ["--profile", slowMain, "--slo-tpot", "4ms", "--warm", "--json"];
    const { stdout } = await runRemoe(["plan", ...args]);
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ feasible: true, binding: "tpot", baselines: { cpu: { feasible: false } } });
    expect(plan.layers.length).toBeGreaterThan(0);
    const path = join(folder, "plan.json");
    writeFileSync(path, stdout);
    const run = await runRemoe(["run", "--plan", path, "--json", "--temperature", "0", "-n", "4", "Hello"]);
    expect(JSON.parse(run.stdout)).toMatchObject({ plan: { placement: "split", specMain: plan.specMain } });
  });

  it("explains itself", async () => {
    const { stdout } = await runRemoe(["plan", "--profile", slowMain, "--slo-tpot", "4ms", "--warm", "--explain"]);
    expect(stdout).toContain("What binds is the TPOT objective.");
    expect(stdout).toMatch(
      /^The main function has \d+ MiB for \d+ MiB of local experts and \d+ MiB of everything else/m,
    );
    expect(stdout).toMatch(/^Without objectives the cheapest plan .* and misses TPOT \(.* instead of 4\.00 ms\)\.$/m);
    expect(stdout).toMatch(/^cpu .* misses an objective$/m);
  });

  it("ends with 4 and says what could be had when no plan meets the objectives", async () => {
    const { code, stdout, stderr } = await runRemoe(["plan", "--profile", even, "--slo-tpot", "0.1ms", "--json"]);
    expect(code).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ feasible: false, binding: "tpot", error: { code: "PLAN_INFEASIBLE" } });
    expect(stderr).toMatch(/no plan keeps the time per output token within 0\.1 ms: at best it is .* ms/);
  });

  it.each([
    [["plan"], 2, "--profile"],
    [["plan", "--profile", "/nowhere.json"], 2, "/nowhere.json"],
    [["plan", "--profile", "package.json"], 2, "package.json"],
    [["profile", "--out", "/nowhere/profile.json"], 2, "/nowhere/profile.json"],
    [["run", "--profile", "x.json", "--remote-ratio", "0.5", "hi"], 2, "--remote-ratio"],
  ])("refuses %j by name", async (args, expected, named) => {
    const { code, stderr } = await runRemoe(args);
    expect(code).toBe(expected);
    expect(stderr).toContain(named);
  });
});

describe("a system that plans each request", () => {
  const systems: System[] = [];
  const start = async (planning: Parameters<typeof startSystem>[0]["planning"]): Promise<System> => {
    const path = join(folder, `${systems.length}.history`);
    const system = await startSystem({ planning, history: { path, privacy: "full" } });
    systems.push(system);
    return system;
  };
  afterAll(() => Promise.all(systems.map((system) => system.stop(2_000))));

  it("answers with the unsplit model's tokens, by plans it can account for", async () => {
    const unsplit = await start(undefined);
    const policy = "best-effort";
    const planned = await start({ profile: slowMain, slo: SPLITTING_SLO, policy, reuse: true });
    expect((planned.plan as Plan).layers.length).toBeGreaterThan(0);
    const reasons: PlanReasons[] = [];
    for (const prompt of questions(12)) {
      const [one, other] = [
        await ask(unsplit, { prompt, maxTokens: 24 }),
        await ask(planned, { prompt, maxTokens: 24 }),
      ];
      expect(other.tokens).toEqual(one.tokens);
      expect(other.trace.experts?.remoteRows).toBeGreaterThan(0);
      const { planning } = other.trace;
      expect(planning?.candidates).toContainEqual(
        expect.objectContaining({ source: planning?.source, cost: planning?.predicted.cost }),
      );
      if (planning !== null) reasons.push(planning);
    }
    expect(reasons).toHaveLength(12);
  });

  it("refuses a request whose objectives no plan meets, if they are strict", async () => {
    const slo = { ttftMs: null, tpotMs: 0.01 };
    const system = await start({ profile: even, slo, policy: "strict", reuse: false });
    await expect(ask(system, { prompt: "Hello", maxTokens: 4 })).rejects.toMatchObject({ code: "PLAN_INFEASIBLE" });
  });

  it("starts with the functions of a typical request, which the first one finds warm", async () => {
    const system = await start({ profile: even, slo: NO_SLO, policy: "strict", reuse: true });
    const { trace } = await ask(system, { prompt: "Hello", maxTokens: 4 });
    expect(trace.planning?.candidates.some(({ isWarm }) => isWarm)).toBe(true);
  });
});

import { describe, expect, it } from "vitest";
import { toColdStartChart } from "../bench/coldstart-chart.ts";
import { modelStarts } from "../bench/coldstart-modelled.ts";
import { type ColdStartOutcome, compareStarts, summariseStarts } from "../bench/coldstart-summary.ts";
import { renderChart } from "../bench/plot.ts";

const start: ColdStartOutcome = {
  containerMs: 100,
  loadMs: 50,
  remoteMs: 0,
  calculateMs: 2,
  totalMs: 152,
  mainMb: 1024,
  remoteExperts: 0,
};

describe("cold starts of a method", () => {
  it("are summed up by medians, the whole with its range", () => {
    const others = [
      { ...start, containerMs: 140, totalMs: 192 },
      { ...start, loadMs: 20, remoteMs: 300, totalMs: 302 },
    ];
    expect(summariseStarts([start, ...others])).toEqual({ ...start, totalMs: 192, low: 152, high: 302 });
  });

  it("are compared with MIX, or without a device with one function on the processor", () => {
    const [remoe, cpu, mix] = [100, 400, 250].map((totalMs) => summariseStarts([{ ...start, totalMs }]));
    const all = { cpu: cpu ?? null, mix: mix ?? null, remoe: remoe ?? null };
    expect(compareStarts(all)).toEqual({ reference: "mix", reductionVsMix: 0.6 });
    expect(compareStarts({ ...all, mix: null })).toEqual({ reference: "cpu", reductionVsMix: 0.75 });
    expect(compareStarts({ cpu: all.cpu })).toEqual({ reference: "cpu", reductionVsMix: null });
  });
});

describe("modelled cold starts of GPT2-moe in the paper's setting", () => {
  const comparison = modelStarts({ model: "gpt2-moe", methods: ["mix", "all-remote", "paper"], starts: 1 });
  const { mix, paper } = comparison.methods;

  it("take a container and 2,056 MiB at 5 GB/s in one function", () => {
    expect(mix).toMatchObject({ containerMs: 1500, remoteMs: 0, calculateMs: 0 });
    expect(mix?.loadMs).toBeCloseTo(416, 0);
    expect(mix?.totalMs).toBe((mix?.containerMs ?? 0) + (mix?.loadMs ?? 0));
  });

  it("overlap in several", () => {
    for (const each of [comparison.methods["all-remote"], paper]) {
      const { containerMs = 0, loadMs = 0, remoteMs = 0, calculateMs = 0 } = each ?? {};
      expect(remoteMs).toBeGreaterThan(0);
      expect(each?.totalMs).toBe(calculateMs + Math.max(containerMs + loadMs, remoteMs));
    }
  });

  it("have a chart with bars for what took time", () => {
    const chart = toColdStartChart([comparison]);
    const [first, , last] = chart.panels[0]?.groups ?? [];
    expect(first?.map(({ label }) => label)).toEqual(["MIX", "container", "weights"]);
    expect(last?.map(({ label }) => label)).toEqual([
      "Remoe as published",
      "container",
      "weights",
      "slowest expert function",
      "prediction and plan",
    ]);
    expect(renderChart(chart)).toContain(">1.92 s<");
  });
});

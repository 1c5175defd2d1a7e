import { describe, expect, it } from "vitest";
import { runRemoe } from "./run-remoe.ts";

const latency = { p50Us: expect.any(Number), p99Us: expect.any(Number) };
const costs = {
  empty: expect.objectContaining(latency),
  row: expect.objectContaining(latency),
  batch: expect.objectContaining({ mbPerS: expect.any(Number) }),
};
const grpcCosts = { p50Us: expect.any(Number), rowP50Us: expect.any(Number), batchMbPerS: expect.any(Number) };

describe("remoe bench wire", () => {
  it("prints what a call costs over every transport, with and without polling, and grpc-js beside it", async () => {
    const { code, stdout, stderr } = await runRemoe(["bench", "wire", "--rounds", "1", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const side = expect.objectContaining(costs);
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      machine: { cores: expect.any(Number) },
      rounds: 1,
      pollMs: expect.any(Number),
      ...costs,
      tcp: side,
      http: side,
      unpolled: { unix: side, tcp: side, http: side },
      grpc: { ...grpcCosts, polled: grpcCosts },
      notes: [],
    });
  }, 120_000);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { writePreSummed } from "./pre-summed.ts";
import { filterRows, routeRows } from "./routing.ts";
import type { RemoteCall } from "./runtime.ts";

const HIDDEN = 8;
const EXPERTS = 12;
const RUNS = { seed: 20_260_116, numRuns: 200 };
const cases = fc.record({
  k: fc.integer({ min: 1, max: 8 }),
  tokens: fc.integer({ min: 1, max: 6 }),
  remote: fc.array(fc.boolean(), { minLength: EXPERTS, maxLength: EXPERTS }),
  seed: fc.nat(),
});

interface Joined {
  readonly call: RemoteCall;
  /** The exact rows and weights: what is joined when nothing is pre-summed. */
  readonly outputs: Float32Array;
  readonly weights: Float32Array;
  readonly residual: Float32Array;
}

function drawCall({ k, tokens, remote, seed }: { k: number; tokens: number; remote: boolean[]; seed: number }): Joined {
  const random = createRandom(seed);
  const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => 2 * random() - 1);
  const one = (): number[] => [...Array(EXPERTS).keys()].sort(() => random() - 0.5).slice(0, k);
  const chosen = Int32Array.from(Array.from({ length: tokens }, one).flat());
  const outputs = numbers(HIDDEN * k * tokens);
  const weights = numbers(k * tokens).map(Math.abs);
  const rows = routeRows(chosen, k, (expert) => remote[expert] === true);
  const inputs = numbers(HIDDEN * tokens);
  const call = {
    layer: 0,
    kernel: "decode",
    inputs,
    rows,
    weights: weights.slice(),
    outputs: outputs.slice(),
  } as const;
  return { call, outputs, weights, residual: numbers(HIDDEN * tokens) };
}

/** What an expert function sends: weighted rows added up in single precision, by token. */
function sumRows({ rows, weights, inputs }: RemoteCall, outputs: Float32Array): Float32Array {
  const sums = new Float32Array(inputs.length).fill(Number.NaN);
  for (let row = 0; row < rows.count; row++) {
    const [token, slot] = [rows.tokens[row] as number, rows.slots[row] as number];
    for (let i = 0; i < HIDDEN; i++) {
      const before = sums[token * HIDDEN + i] as number;
      const term = Math.fround((weights[slot] as number) * (outputs[slot * HIDDEN + i] as number));
      sums[token * HIDDEN + i] = Number.isNaN(before) ? term : before + term;
    }
  }
  return sums;
}

/** residual + Σ weight · row, in the gate's order and single precision, and the sum of the terms' sizes. */
function join(outputs: Float32Array, weights: Float32Array, residual: Float32Array) {
  const k = (weights.length * HIDDEN) / residual.length;
  return Array.from(residual, (h, at) => {
    let [sum, size] = [0, Math.abs(h)];
    for (let j = 0; j < k; j++) {
      const slot = Math.floor(at / HIDDEN) * k + j;
      const term = Math.fround((weights[slot] as number) * (outputs[slot * HIDDEN + (at % HIDDEN)] as number));
      sum = Math.fround(sum + term);
      size += Math.abs(term);
    }
    return { sum: Math.fround(sum + h), size };
  });
}

function expectWithinBound({ call, outputs, weights, residual }: Joined, k: number): void {
  const exact = join(outputs, weights, residual);
  for (const [at, { sum }] of join(call.outputs, call.weights, residual).entries()) {
    const { sum: expected, size } = exact[at] as (typeof exact)[number];
    expect(Math.abs(sum - expected)).toBeLessThanOrEqual(2 * (k + 1) * 2 ** -24 * size);
  }
}

describe("pre-summed rows", () => {
  it("join to the exact sum within rounding", () => {
    const property = fc.property(cases, (drawn) => {
      const joined = drawCall(drawn);
      writePreSummed(joined.call, sumRows(joined.call, joined.outputs));
      expectWithinBound(joined, drawn.k);
    });
    fc.assert(property, RUNS);
  });

  it("may be written function by function", () => {
    const property = fc.property(cases, fc.integer({ min: 1, max: EXPERTS }), (drawn, border) => {
      const joined = drawCall(drawn);
      for (const isMine of [(expert: number) => expert < border, (expert: number) => expert >= border]) {
        const part = { ...joined.call, rows: filterRows(joined.call.rows, isMine) };
        writePreSummed(part, sumRows({ ...part, weights: joined.weights }, joined.outputs));
      }
      expectWithinBound(joined, drawn.k);
    });
    fc.assert(property, RUNS);
  });

  it("leave the rows of local experts alone, and read no sum of a token without rows", () => {
    const property = fc.property(cases, (drawn) => {
      const { call, outputs, weights } = drawCall(drawn);
      writePreSummed(call, sumRows(call, outputs));
      for (const slot of weights.keys()) {
        if (call.rows.slots.includes(slot)) continue;
        const row = [slot * HIDDEN, (slot + 1) * HIDDEN] as const;
        expect(call.outputs.slice(...row)).toEqual(outputs.slice(...row));
        expect(call.weights[slot]).toBe(weights[slot]);
      }
      expect(call.outputs).not.toContain(Number.NaN);
    });
    fc.assert(property, RUNS);
  });
});

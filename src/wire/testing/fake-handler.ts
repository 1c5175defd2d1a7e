import type { ExpertCall, ExpertHandler } from "../expert-call.ts";

export interface FakeHandler extends ExpertHandler {
  /** Calls that were computed, in order. */
  readonly computed: readonly ExpertCall[];
}

export interface FakeOptions {
  readonly hidden?: number;
  readonly fingerprint?: string;
  readonly maxTokens?: number;
  /** Awaited by every call before it is computed. */
  readonly gate?: () => Promise<void>;
}

/** Experts 0 to 7 of layers 0 to 3 with two experts a token, each row being input · (expert + 1) + layer. */
export function createFakeHandler({ gate, ...options }: FakeOptions = {}): FakeHandler {
  const { hidden, fingerprint, maxTokens } = { hidden: 4, fingerprint: "fake", maxTokens: 512, ...options };
  const computed: ExpertCall[] = [];

  async function compute(call: ExpertCall): Promise<Float32Array> {
    await gate?.();
    computed.push(call);
    return computeFakeRows(call, hidden);
  }

  const holds = (layer: number, expert: number): boolean => layer < 4 && expert >= 0 && expert < 8;
  return { fingerprint, hidden, maxTokens, expertsPerToken: 2, holds, compute, computed };
}

/** What the fake experts answer. → [hidden, rows] */
export function computeFakeRows({ layer, inputs, tokens, experts }: ExpertCall, hidden: number): Float32Array {
  const rows = new Float32Array(tokens.length * hidden);
  tokens.forEach((token, row) => {
    for (let i = 0; i < hidden; i++) {
      rows[row * hidden + i] = (inputs[token * hidden + i] ?? 0) * ((experts[row] ?? 0) + 1) + layer;
    }
  });
  return rows;
}

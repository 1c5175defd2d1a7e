import { describe, expect, it } from "vitest";
import type { DoneEvent } from "../functions/protocol.ts";
import type { HistoryRecord } from "../history/record.ts";
import { OnlinePredictor } from "../predictor/online-predictor.ts";
import { createLearning } from "./learning.ts";
import { toDoneEvent } from "./testing/scripted-functions.ts";

const shape = { layers: 1, experts: 2, dimensions: 2, expertsPerToken: 1 };

function createTestLearning() {
  const kept: HistoryRecord[] = [];
  const postponed: (() => void)[] = [];
  const learning = createLearning({
    shape,
    predictor: new OnlinePredictor(shape),
    embeddingsOf: async () => (token) => Float32Array.of(1, token),
    keep: (record) => kept.push(record),
    now: () => 1_000,
    later: (work) => postponed.push(work),
  });
  return { kept, postponed, learning };
}

/** A finished request whose gate sent these numbers of tokens to the two experts. */
function doneWith(counts: readonly number[]): DoneEvent {
  return { ...toDoneEvent(1, "length"), activations: { prefill: [counts], decode: [[0, 0]] } };
}

describe("a gateway that learns", () => {
  it("expects every expert alike before it has seen a request", async () => {
    const { learning } = createTestLearning();
    const { forecast } = await learning.expect("r", [1, 2]);
    expect(forecast).toMatchObject({ source: "none", matrix: Float32Array.of(0.5, 0.5) });
  });

  it("keeps what a request activated, with the prompt it came from", async () => {
    const { kept, learning } = createTestLearning();
    learning.learn(await learning.expect("request-7", [0, 0, 0]), doneWith([3, 0]));
    expect(kept).toMatchObject([{ id: "request-7", time: 1_000, domain: null, tokens: [0, 0, 0] }]);
    expect([...(kept[0]?.prefill ?? [])]).toEqual([3, 0]);
    expect([...(kept[0]?.vector ?? [])]).toEqual([3, 0]);
  });

  it("says how far off the prediction was: 0 when it was right", async () => {
    const { learning } = createTestLearning();
    const right = learning.learn(await learning.expect("a", [1]), doneWith([2, 2]));
    const wrong = learning.learn(await learning.expect("b", [1]), doneWith([4, 0]));
    expect(right).toEqual({ source: "none", divergence: 0 });
    expect(wrong.divergence).toBeGreaterThan(0.1);
  });

  it("learns after the answer has gone out", async () => {
    const { learning, postponed } = createTestLearning();
    for (let i = 0; i < 40; i++) learning.learn(await learning.expect(`${i}`, [1]), doneWith([4, 0]));
    expect((await learning.expect("before", [1])).forecast.source).toBe("none");
    for (const work of postponed) work();
    const { forecast } = await learning.expect("after", [1]);
    expect(forecast.source).toBe("prompt");
    expect(forecast.matrix[0]).toBeGreaterThan(0.75);
  });
});

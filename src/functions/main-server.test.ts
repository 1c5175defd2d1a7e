import { describe, expect, it, onTestFinished } from "vitest";
import { GREEDY } from "../model/sampling.ts";
import { connectMain } from "./main-client.ts";
import { serveMain } from "./main-server.ts";
import type { GenerateExchange } from "./main-service.ts";
import type { DoneEvent, GenerateRequest } from "./protocol.ts";
import { NO_SAMPLES } from "./testing/no-samples.ts";

const DONE: DoneEvent = {
  type: "done",
  finishReason: "length",
  completionTokens: 0,
  timings: { queueMs: 0, prefillMs: 0, decodeMs: 0, busyMs: 0 },
  experts: { localRows: 0, remoteRows: 0, remoteCalls: 0 },
  activations: { prefill: [], decode: [] },
  samples: NO_SAMPLES,
  remote: [],
  faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 },
  peakMemoryMb: 0,
};

function requestOf(generationId: string): GenerateRequest {
  return {
    generationId,
    promptTokens: [1],
    replayTokens: [],
    maxTokens: 1,
    sampling: GREEDY,
    stopTokens: [],
    topLogprobs: null,
    traceTokens: 0,
    functions: [],
    rows: "f32",
    rounding: { granularityMs: 1, minimumMs: 0 },
  };
}

/** A server whose generations end when the test says so, and a client of it. */
async function startServer(parallel: number) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const service = {
    async generate({ generationId }: GenerateRequest, { write }: GenerateExchange): Promise<void> {
      begun.push(generationId);
      await new Promise<void>((resolve) => ends.set(generationId, resolve));
      await write(DONE);
    },
    finish: (generationId: string) => ends.get(generationId)?.(),
    provide() {},
  };
  const { endpoint, drain } = await serveMain(service, { listen: "tcp://127.0.0.1:0", secret: "s", parallel });
  const client = connectMain(endpoint, { secret: "s", whyLost: async () => "unknown" });
  onTestFinished(async () => {
    client.close();
    await drain();
  });
  const ask = async (id: string, signal = new AbortController().signal): Promise<void> => {
    for await (const event of client.generate(requestOf(id), signal)) expect(event).toEqual(DONE);
  };
  const untilBegun = (ids: readonly string[]) => expect.poll(() => begun.toSorted()).toEqual(ids);
  return { client, ask, untilBegun, begun };
}

describe("a main function's server", () => {
  it("runs as many generations as it may at the same time, and the next when one has ended", async () => {
    const { client, ask, untilBegun, begun } = await startServer(2);
    const answers = [ask("a"), ask("b")];
    await untilBegun(["a", "b"]);
    answers.push(ask("c"));
    await client.finish("none"); // asked after c
    expect(begun).toHaveLength(2);
    await client.finish("b");
    await untilBegun(["a", "b", "c"]);
    for (const id of ["a", "c"]) await client.finish(id);
    await Promise.all(answers);
  });

  it("keeps no turn for a client that left while it waited", async () => {
    const { client, ask, untilBegun } = await startServer(1);
    const first = ask("a");
    await untilBegun(["a"]);
    const leaver = new AbortController();
    const left = expect(ask("b", leaver.signal)).rejects.toThrow("I am gone");
    await client.finish("none"); // asked after b
    leaver.abort(new Error("I am gone"));
    await left;
    const last = ask("c");
    await client.finish("a");
    await untilBegun(["a", "c"]);
    await client.finish("c");
    await Promise.all([first, last]);
  });
});

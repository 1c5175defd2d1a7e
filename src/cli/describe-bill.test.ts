import { describe, expect, it } from "vitest";
import { TraceRecorder } from "../gateway/trace-recorder.ts";
import { billRequest } from "../ledger/bill.ts";
import { functionUsage } from "../ledger/testing/function-usage.ts";
import { describeBill } from "./describe-bill.ts";
import { readPriceBook } from "./read-price-book.ts";

const priceBook = readPriceBook("aws-lambda-x86");
const trace = new TraceRecorder({
  requestId: "r",
  model: "m",
  priceBook,
  clock: () => 0,
  onTrace: () => {},
}).end("stop");
const bill = billRequest([functionUsage({ invocations: 1, busyMs: 60_000, billedMs: 60_000 })], priceBook);

describe("a described bill", () => {
  it("says what the request cost, where experts were computed, and what for", () => {
    const experts = { localRows: 8, remoteRows: 4, remoteCalls: 2 };
    expect(describeBill({ ...trace, bill, experts })).toEqual([
      "cost $0.001 (aws-lambda-x86); expert rows: 8 local, 4 remote in 2 calls",
      "",
      expect.stringMatching(/^function .*\nmain +busy +1024 MiB +1 +60,000 ms +60 +\$0\.001\ntotal +60 +\$0\.001$/),
    ]);
  });

  it("tells what the request survived", () => {
    const faults = { failedCalls: 3, hedgedCalls: 0, lostReplicas: 2, adoptedExperts: 5, mainRestarts: 1 };
    expect(describeBill({ ...trace, faults })).toContain(
      "survived: 3 failed calls, 2 lost expert functions (5 experts taken over), 1 lost main functions",
    );
  });
});

import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { createProgress } from "./progress.ts";

function written(isTTY: boolean): string {
  const stream = new PassThrough();
  const progress = createProgress(Object.assign(stream, { isTTY }));
  progress.show("1 of 2");
  progress.note("line 2 skipped");
  progress.show("2 of 2");
  progress.end();
  return String(stream.read());
}

it("rewrites one line on a terminal, above which notes stay", () => {
  expect(written(true)).toBe("\r\u001b[K1 of 2\r\u001b[Kline 2 skipped\n\r\u001b[K2 of 2\r\u001b[K");
});

it("writes nothing but notes elsewhere", () => {
  expect(written(false)).toBe("line 2 skipped\n");
});

import type { Readable } from "node:stream";

/** The lines of a stream as they come, the last one even if it is not ended. @throws what the stream fails with */
export async function* readLines(stream: Readable): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    const lines = (rest + (chunk as string)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

import { Readable } from "node:stream";

const PING = ": ping\n\n";

/**
 * Server-sent events as a response body, with a comment every `pingMs` so that proxies and clients do not give up
 * during a cold start.
 *
 * Events are taken as fast as they come, however slowly the client reads: a main function is paid by the second and
 * must not wait for a reader. What that can pile up is bounded by the longest answer. Pings never pile up.
 */
export function createEventStream(frames: AsyncIterable<string>, pingMs: number): Readable {
  const body = new Readable({ read() {} });
  const pinging = setInterval(() => {
    if (body.readableLength === 0) {
      body.push(PING);
    }
  }, pingMs);
  pump(frames, body)
    .catch((error: Error) => body.destroy(error))
    .finally(() => clearInterval(pinging));
  return body;
}

async function pump(frames: AsyncIterable<string>, body: Readable): Promise<void> {
  for await (const frame of frames) {
    body.push(frame);
  }
  body.push(null);
}

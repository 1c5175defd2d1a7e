import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../core/errors.ts";
import { type Behaviour, FAULTS, RangeServer } from "./testing/range-server.ts";
import { WebFile, type WebOptions } from "./web-file.ts";

const SIZE = 100_000;
const CONTENT = Uint8Array.from({ length: SIZE }, (_, i) => (i * 7 + (i >> 8)) % 251);
const bytes = (offset: number, length: number): Uint8Array => CONTENT.subarray(offset, offset + length);

const start = (): Promise<RangeServer> => RangeServer.start(new Map([["model.gguf", CONTENT]]));

/** Options whose waits are written down instead of waited for. */
function recordWaits(options: Partial<WebOptions> = {}): { waits: number[]; options: WebOptions } {
  const waits: number[] = [];
  const pause = async (ms: number): Promise<void> => void waits.push(ms);
  return { waits, options: { token: null, silenceMs: 10_000, pause, ...options } };
}

async function open(server: RangeServer, options = recordWaits().options): Promise<WebFile> {
  const { file } = await WebFile.open(new URL(server.url("model.gguf")), 10, options);
  return file;
}

describe("a file behind a URL", () => {
  it("is opened by its first bytes, and no more", async () => {
    await using server = await start();
    const { file, start: first } = await WebFile.open(
      new URL(server.url("model.gguf?key=secret")),
      16,
      recordWaits().options,
    );
    expect(new Uint8Array(first)).toEqual(bytes(0, 16));
    expect(file).toMatchObject({ size: SIZE, path: server.url("model.gguf"), modifiedMs: 784_111_777_000 });
    expect(server.asked).toMatchObject([{ url: "/model.gguf?key=secret", first: 0, last: 15 }]);
  });

  it("may be smaller than what is asked of it first", async () => {
    await using server = await start();
    const { start: all } = await WebFile.open(new URL(server.url("model.gguf")), 2 * SIZE, recordWaits().options);
    expect(new Uint8Array(all)).toEqual(CONTENT);
  });

  it("fills any pieces of memory with exactly the range that they take", async () => {
    await using server = await start();
    const file = await open(server);
    const lengths = fc.array(fc.nat(20_000), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(lengths, fc.nat(20_000), async (pieces, offset) => {
        const targets = pieces.map((length) => new Uint8Array(length));
        const total = pieces.reduce((sum, length) => sum + length, 0);
        const before = server.asked.length;
        await file.fill(targets, offset);
        expect(Buffer.concat(targets).equals(bytes(offset, total))).toBe(true);
        const asked = server.asked.slice(before);
        expect(asked).toMatchObject(total === 0 ? [] : [{ first: offset, last: offset + total - 1 }]);
      }),
      { seed: 20_261_122, numRuns: 50 },
    );
  });
});

describe("what passes by itself is tried again", () => {
  it.each([408, 429, 500, 502, 503, 504])("after the status %d", async (status) => {
    await using server = await start();
    const file = await open(server);
    server.script(FAULTS.status(status));
    expect(await file.read(5, 9)).toEqual(bytes(5, 9));
  });

  it("after waits that double", async () => {
    await using server = await start();
    const { waits, options } = recordWaits();
    const file = await open(server, options);
    server.script(...[0, 1, 2, 3].map(() => FAULTS.status(503)));
    await file.read(0, 10);
    expect(waits).toEqual([250, 500, 1000, 2000]);
  });

  it.each([
    ["7", 7000],
    ["0", 0],
    ["86400", 30_000],
    ["Sun, 06 Nov 1994 08:49:42 GMT", 5000],
    ["soon", 250],
  ])("after the time that the server asks for, within reason: %s", async (asked, wait) => {
    await using server = await start();
    const { waits, options } = recordWaits();
    const file = await open(server, options);
    server.script(FAULTS.status(429, { "retry-after": asked, date: "Sun, 06 Nov 1994 08:49:37 GMT" }));
    await file.read(0, 10);
    expect(waits).toEqual([wait]);
  });

  it.each([
    ["is reset", FAULTS.cut],
    ["ends early", FAULTS.shorten],
  ])("from where the answer broke off when it %s", async (_, fault) => {
    await using server = await start();
    const file = await open(server);
    server.script(fault(3000), fault(0), fault(50_000));
    expect(await file.read(1000, 90_000)).toEqual(bytes(1000, 90_000));
    const firsts = server.asked.slice(1).map(({ first }) => first);
    expect(firsts).toHaveLength(4);
    // A reset may lose bytes that were under way; none is asked for twice once it has arrived.
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
    expect(firsts[3]).toBeGreaterThan(firsts[0] as number);
  });

  it("when the server says nothing more", async () => {
    await using server = await start();
    const file = await open(server, recordWaits({ silenceMs: 50 }).options);
    server.script(FAULTS.stall(3000), FAULTS.stall(0));
    expect(await file.read(0, 9000)).toEqual(bytes(0, 9000));
    expect(server.asked).toHaveLength(4);
  });

  it("when opening it", async () => {
    await using server = await start();
    server.script(FAULTS.status(503), FAULTS.cut(3));
    expect((await open(server)).size).toBe(SIZE);
  });

  it("but not for ever", async () => {
    await using server = await start();
    const file = await open(server);
    server.script(...Array.from({ length: 6 }, () => FAULTS.status(503)));
    await expect(file.read(0, 10)).rejects.toMatchObject({
      code: "MODEL_DOWNLOAD_FAILED",
      details: { path: server.url("model.gguf"), reason: "HTTP status 503", attempts: 6 },
    });
  });

  it("and until it is no longer wanted", async () => {
    await using server = await start();
    const controller = new AbortController();
    const file = await open(server, recordWaits({ signal: controller.signal }).options);
    server.script(FAULTS.stall(3));
    const reading = file.read(0, 10);
    controller.abort(new Error("stopped"));
    await expect(reading).rejects.toThrow("stopped");
  });
});

describe("what does not pass is an error at once", () => {
  const failures: readonly [string, Behaviour, ErrorCode, string][] = [
    ["a refusal", FAULTS.status(401), "MODEL_ACCESS_DENIED", "HTTP status 401"],
    ["a prohibition", FAULTS.status(403), "MODEL_ACCESS_DENIED", "HTTP status 403"],
    ["a file that is not there", FAULTS.status(404), "MODEL_NOT_FOUND", "no model file at"],
    ["a request the server does not understand", FAULTS.status(400), "MODEL_DOWNLOAD_FAILED", "HTTP status 400"],
    ["a server without ranges", FAULTS.whole, "MODEL_RANGES_UNSUPPORTED", "range requests"],
    ["an answer without its range", FAULTS.claim({ "content-range": "bytes" }), "MODEL_RANGES_UNSUPPORTED", "range"],
    ["a compressed answer", FAULTS.claim({ "content-encoding": "gzip" }), "MODEL_RANGES_UNSUPPORTED", "range"],
    [
      "another range",
      FAULTS.claim({ "content-range": `bytes 1-10/${SIZE}` }),
      "MODEL_DOWNLOAD_FAILED",
      "the server sent bytes 1-10 of 100000 instead of 0-9",
    ],
    [
      "another version",
      FAULTS.claim({ etag: '"second"' }),
      "MODEL_CHANGED",
      'it was 100000 bytes, "first", now it is 100000 bytes, "second"',
    ],
    ["another size", FAULTS.claim({ "content-range": "bytes 0-9/77" }), "MODEL_CHANGED", "now it is 77 bytes"],
    ["a file that has become shorter", FAULTS.status(416), "MODEL_CHANGED", "now it is shorter"],
  ];

  it.each(failures)("%s", async (_, fault, code, message) => {
    await using server = await start();
    const file = await open(server);
    server.script(fault);
    const reading = file.read(0, 10);
    await expect(reading).rejects.toMatchObject({ code });
    await expect(reading).rejects.toThrow(message);
    expect(server.asked).toHaveLength(2);
  });

  it("a version that changes in the middle of a range", async () => {
    await using server = await start();
    const file = await open(server);
    server.script(FAULTS.cut(100), FAULTS.claim({ etag: '"second"' }));
    await expect(file.read(0, 50_000)).rejects.toMatchObject({ code: "MODEL_CHANGED" });
  });

  it("a server that nobody knows", async () => {
    const opening = WebFile.open(new URL("http://no-such-host.invalid/m.gguf?key=secret"), 10, recordWaits().options);
    await expect(opening).rejects.toMatchObject({ code: "MODEL_DOWNLOAD_FAILED" });
    await expect(opening).rejects.not.toThrow("secret");
  });
});

it("a weak tag names a version as well", async () => {
  await using server = await start();
  const file = await open(server);
  server.script(FAULTS.claim({ etag: 'W/"first"' }));
  expect(await file.read(0, 10)).toEqual(bytes(0, 10));
});

describe("a redirect", () => {
  /** A hub that redirects to a store, which knows signed addresses only. */
  async function startHub(): Promise<{ hub: RangeServer; store: RangeServer; signed: string }> {
    const store = await start();
    const hub = await RangeServer.start(new Map());
    return { hub, store, signed: store.url("model.gguf?signature=1") };
  }

  it("is followed once, not for every range", async () => {
    const { hub, store, signed } = await startHub();
    await using _servers = together(hub, store);
    hub.script(FAULTS.redirect(signed));
    const file = await open(hub);
    expect(await file.read(7, 5)).toEqual(bytes(7, 5));
    expect(hub.asked).toHaveLength(1);
    expect(store.asked).toHaveLength(2);
    expect(file.path).toBe(hub.url("model.gguf"));
  });

  it("is asked for again when the address has expired", async () => {
    const { hub, store, signed } = await startHub();
    await using _servers = together(hub, store);
    hub.script(FAULTS.redirect(signed), FAULTS.redirect(signed.replace("=1", "=2")));
    const file = await open(hub);
    store.script(FAULTS.status(403));
    expect(await file.read(7, 5)).toEqual(bytes(7, 5));
    expect(store.asked.map(({ url }) => url)).toEqual([1, 1, 2].map((i) => `/model.gguf?signature=${i}`));
  });

  it("does not take the token to another server", async () => {
    const { hub, store, signed } = await startHub();
    await using _servers = together(hub, store);
    hub.script(FAULTS.redirect("/moved.gguf"), FAULTS.redirect(signed));
    await open(hub, recordWaits({ token: "secret" }).options);
    expect(hub.asked.map(({ authorization }) => authorization)).toEqual(["Bearer secret", "Bearer secret"]);
    expect(store.asked.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  it.each([
    ["endless", Array.from({ length: 6 }, () => FAULTS.redirect("/again.gguf")), "more than 5 redirects"],
    ["to a file", [FAULTS.redirect("file:///etc/passwd")], "a redirect to file:"],
    ["nowhere", [FAULTS.redirect("http://")], "a redirect to an invalid address"],
  ])("is refused when it is %s", async (_, script, message) => {
    await using hub = await RangeServer.start(new Map());
    hub.script(...script);
    await expect(open(hub)).rejects.toThrow(message);
  });
});

function together(...servers: readonly RangeServer[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

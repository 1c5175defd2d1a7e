import { once } from "node:events";
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { encodeCall, shapeOf } from "./call-codec.ts";
import { controlHead, encodeFrame } from "./frame.ts";
import { AUTH_HEADER, hashBody, MODEL_HEADER, type RequestClaims, signRequest } from "./http-auth.ts";
import { callOf } from "./testing/arbitrary-call.ts";
import { openWire, SECRET, type Wire } from "./testing/open-wire.ts";

const call = callOf([1, 2, 3, 4], [[0, 1]]);
const body = Buffer.concat(
  encodeFrame({ ...controlHead("call"), timeMs: 1000 }, encodeCall(call, shapeOf(call, 4, "f32"))),
);
const NOW = 1_800_000_000_000;
const clock = { monotonicMs: () => 0, unixMs: () => NOW };
const MODEL = "4:fake";

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

function send(
  wire: Wire,
  { method = "POST", path = "/v1/experts", headers = {}, body: sent = body }: Sent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${wire.server.endpoint}${path}`, { method, headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, bytes }));
    });
    outgoing.on("error", reject).end(sent);
  });
}

function signed(claims: Partial<RequestClaims> = {}, secret = SECRET): OutgoingHttpHeaders {
  const whole = { sentAt: NOW, nonce: "0".repeat(32), bodyHash: hashBody([body]), ...claims };
  return { [MODEL_HEADER]: MODEL, [AUTH_HEADER]: signRequest(secret, whole, MODEL) };
}

const openHttp = (): Promise<Wire> => openWire({ listen: "http://127.0.0.1:0", serve: { clock } });

describe("the HTTP server", () => {
  it("says without authentication that it is ready, and no more", async () => {
    expect(await send(await openHttp(), { method: "GET", path: "/readyz" })).toMatchObject({ status: 200, bytes: 0 });
  });

  it("answers a signed request once, and signs its reply", async () => {
    const wire = await openHttp();
    const answer = await send(wire, { headers: signed() });
    expect(answer).toMatchObject({ status: 200, bytes: 32 + 8 + 16 });
    expect(answer.headers[AUTH_HEADER]).toMatch(/^[0-9a-f]{64}$/);
    expect(await send(wire, { headers: signed() })).toMatchObject({ status: 401, bytes: 0 });
    expect(await send(wire, { headers: signed({ nonce: "1".repeat(32) }) })).toMatchObject({ status: 200 });
  });

  it.each([
    ["no signature", {}],
    ["a signature of another form", { [AUTH_HEADER]: "Bearer 1", [MODEL_HEADER]: MODEL }],
    ["another secret", signed({}, "guess")],
    ["another model than was signed", { ...signed(), [MODEL_HEADER]: "4:other" }],
    ["a time too far back", signed({ sentAt: NOW - 30_001 })],
    ["a time too far ahead", signed({ sentAt: NOW + 30_001 })],
  ])("refuses a request with %s, with an empty body", async (_name, headers) => {
    expect(await send(await openHttp(), { headers })).toMatchObject({ status: 401, bytes: 0 });
  });

  it("hangs up on a body that is not the one that was signed", async () => {
    const other = Buffer.from(body);
    other.writeUInt8(2, 32);
    await expect(send(await openHttp(), { headers: signed(), body: other })).rejects.toThrow("socket hang up");
  });

  it("hangs up on a signed body that is no call", async () => {
    const wire = await openHttp();
    const noise = Buffer.from("noise");
    await expect(send(wire, { headers: signed({ bodyHash: hashBody([noise]) }), body: noise })).rejects.toThrow(
      "socket hang up",
    );
    expect(await send(wire, { headers: signed({ nonce: "1".repeat(32) }) })).toMatchObject({ status: 200 });
  });

  it("knows no other path", async () => {
    expect(await send(await openHttp(), { path: "/v1/models", headers: signed() })).toMatchObject({
      status: 404,
      bytes: 0,
    });
  });

  it("hangs up on who takes too long to ask", async () => {
    const wire = await openWire({ listen: "http://127.0.0.1:0", serve: { handshakeTimeoutMs: 30 } });
    const socket = connect(Number(new URL(wire.server.endpoint).port), "127.0.0.1");
    await once(socket.resume(), "close");
    expect(socket.bytesWritten).toBe(0);
  });

  it("refuses a body over the limit without reading it", async () => {
    const wire = await openWire({ listen: "http://127.0.0.1:0", serve: { clock, payloadLimit: body.length - 1 } });
    expect(await send(wire, { headers: { ...signed(), "content-length": body.length } })).toMatchObject({
      status: 413,
      bytes: 0,
    });
  });
});

import { connectExperts } from "../src/wire/connect-experts.ts";
import { resolveConnectOptions } from "../src/wire/connect-options.ts";
import { parseEndpoint } from "../src/wire/endpoint.ts";
import type { ExpertCall } from "../src/wire/expert-call.ts";
import { processPoller } from "../src/wire/poller.ts";
import {
  BATCH_TOKENS,
  identityOf,
  TRANSPORTS,
  type Transport,
  WIDTHS,
  type Width,
  type WireEndpoints,
} from "./wire-endpoints.ts";
import { connectGrpc, loadGrpc } from "./wire-grpc.ts";

/** What is sent, and comes back: one number, one row of 8 KB, or as many rows as a prefill's batch has tokens. */
export type Payload = "empty" | "row" | "batch";

/** A way to make the calls that are measured. */
export interface Contender {
  readonly transport: Transport | "grpc";
  /** How long a wait may keep a processor awake. */
  readonly pollMs: number;
  call(payload: Payload): Promise<unknown>;
  close(): void;
}

const SHAPES: Readonly<Record<Payload, { readonly width: Width; readonly tokens: number }>> = {
  empty: { width: "narrow", tokens: 1 },
  row: { width: "wide", tokens: 1 },
  batch: { width: "wide", tokens: BATCH_TOKENS },
};
const DEADLINE_MS = 10_000;

export function payloadBytes(payload: Payload): number {
  const { width, tokens } = SHAPES[payload];
  return tokens * WIDTHS[width] * Float32Array.BYTES_PER_ELEMENT;
}

/** Every transport and, if it is installed, grpc-js: each as it comes, and without polling. */
export async function openContenders({ experts, grpc }: WireEndpoints): Promise<Contender[]> {
  const { pollMs } = resolveConnectOptions(identityOf("narrow"), parseEndpoint(experts.unix.narrow));
  const settings = [pollMs, 0];
  const own = TRANSPORTS.flatMap((transport) =>
    settings.map((poll) => wireContender(transport, experts[transport], poll)),
  );
  const module = grpc === null ? null : await loadGrpc();
  if (grpc === null || module === null) return own;
  return [...own, ...settings.map((poll) => grpcContender(connectGrpc(module, grpc), poll))];
}

function wireContender(
  transport: Transport,
  endpoints: WireEndpoints["experts"][Transport],
  pollMs: number,
): Contender {
  const connect = (width: Width) => connectExperts(endpoints[width], { ...identityOf(width), pollMs });
  const connections = { narrow: connect("narrow"), wide: connect("wide") };
  const calls = { empty: expertCall("empty"), row: expertCall("row"), batch: expertCall("batch") };
  return {
    transport,
    pollMs,
    call: (payload) => connections[SHAPES[payload].width].call(calls[payload], { deadlineMs: DEADLINE_MS }),
    close: () => {
      for (const connection of Object.values(connections)) connection.close();
    },
  };
}

/** Each token to one expert. */
function expertCall(payload: Payload): ExpertCall {
  const { width, tokens } = SHAPES[payload];
  return {
    layer: 0,
    kernel: payload === "batch" ? "prefill" : "decode",
    inputs: new Float32Array(tokens * WIDTHS[width]).fill(1),
    tokens: Int32Array.from({ length: tokens }, (_, token) => token),
    experts: new Int32Array(tokens),
    weights: null,
  };
}

function grpcContender({ call, close }: ReturnType<typeof connectGrpc>, pollMs: number): Contender {
  const bytesOf = (payload: Payload): Buffer => Buffer.alloc(payloadBytes(payload), 1);
  const requests = { empty: bytesOf("empty"), row: bytesOf("row"), batch: bytesOf("batch") };
  return {
    transport: "grpc",
    pollMs,
    close,
    call: async (payload) => {
      processPoller.enter(pollMs);
      await call(requests[payload]).finally(() => processPoller.leave());
    },
  };
}

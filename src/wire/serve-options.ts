import { type Clock, systemClock } from "./clock.ts";
import { defaultPayloadLimit } from "./connect-options.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HttpRoutes } from "./http-routes.ts";

export interface ServeOptions {
  /** Shared by both ends. */
  readonly secret: string;
  /** Guards every reply by a CRC-32; replies to calls that have one always do. Default: false. */
  readonly checksum?: boolean;
  /** Most bytes of one request or reply. Default: 6,000,000 over HTTP, 256 MiB over sockets. */
  readonly payloadLimit?: number;
  /** Needed by `tls:` and `https:` endpoints. */
  readonly tls?: ServerTls;
  /** How long after a reply the function may wait awake for the next call, if calls come that quickly. Default: 1. */
  readonly pollMs?: number;
  readonly clock?: Clock;
  /** For a peer to prove that it knows the secret. Default: 5,000. */
  readonly handshakeTimeoutMs?: number;
  /** What else the function answers over HTTP. */
  readonly routes?: HttpRoutes;
}

/** PEM. */
export interface ServerTls {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

const DEFAULT_POLL_MS = 1;

/** Options with every default filled in. */
export type ResolvedServeOptions = Required<Omit<ServeOptions, "tls">> & { readonly tls: ServerTls | undefined };

export function resolveServeOptions(options: ServeOptions, endpoint: Endpoint): ResolvedServeOptions {
  return {
    checksum: false,
    payloadLimit: defaultPayloadLimit(endpoint),
    pollMs: DEFAULT_POLL_MS,
    clock: systemClock,
    handshakeTimeoutMs: 5_000,
    routes: {},
    tls: undefined,
    ...options,
  };
}

import { type Endpoint, isHttp } from "./endpoint.ts";
import type { RowType } from "./frame.ts";

export interface ConnectOptions {
  /** Shared by both ends. */
  readonly secret: string;
  /** Of the model; the function must serve the same. */
  readonly fingerprint: string;
  /** Numbers of one hidden state. */
  readonly hidden: number;
  /** `f32` (default) brings every bit across; `f16` halves the bytes and rounds. */
  readonly rowType?: RowType;
  /** Guards every frame by a CRC-32, in both directions. Default: false. */
  readonly checksum?: boolean;
  /** Most bytes of one request or reply; larger calls are cut. Default: 6,000,000 over HTTP, 256 MiB over sockets. */
  readonly payloadLimit?: number;
  /** How long after a decode call begins its wait may keep a processor awake, in milliseconds. Default: 0.5. */
  readonly pollMs?: number;
  /** For connection and handshake together. Default: 5,000. */
  readonly connectTimeoutMs?: number;
  readonly tls?: ClientTls;
}

/** Which certificates a client trusts. */
export interface ClientTls {
  /** PEM; default: those of the system. */
  readonly ca?: string | Buffer;
  /** The name the certificate must have; default: the host of the endpoint. */
  readonly servername?: string;
}

/** Options with every default filled in. */
export type ResolvedConnectOptions = Required<Omit<ConnectOptions, "tls">> & { readonly tls: ClientTls };

/**
 * Most calls of a decode are answered by then. Where both functions share a busy processor, one call in a hundred waits
 * this long for the poller to let the other side run.
 */
const DEFAULT_POLL_MS = 0.5;

export function resolveConnectOptions(options: ConnectOptions, endpoint: Endpoint): ResolvedConnectOptions {
  return {
    rowType: "f32",
    checksum: false,
    payloadLimit: defaultPayloadLimit(endpoint),
    pollMs: DEFAULT_POLL_MS,
    connectTimeoutMs: 5_000,
    tls: {},
    ...options,
  };
}

/** HTTP: what the large platforms forward. Sockets: a bound on memory. */
export function defaultPayloadLimit(endpoint: Endpoint): number {
  return isHttp(endpoint) ? 6_000_000 : 256 << 20;
}

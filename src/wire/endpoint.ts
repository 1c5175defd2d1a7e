import { isIPv6 } from "node:net";
import { remoeError } from "../core/errors.ts";

/** Where a function listens. `unix` and `http+unix` name a socket file, the others a host. */
export type Endpoint = SocketFileEndpoint | HostEndpoint;

export interface SocketFileEndpoint {
  readonly type: "unix" | "http+unix";
  /** Absolute. */
  readonly path: string;
}

export interface HostEndpoint {
  readonly type: "tcp" | "tls" | "http" | "https";
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free port, for listening only. */
  readonly port: number;
}

/** What fits into a `sockaddr_un` with its closing zero; longer paths would be cut off silently. */
const MAX_PATH_BYTES = 107;
const MAX_PORT = 65_535;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * Reads `unix:/path`, `http+unix:/path`, `tcp://host:port`, `tls://host:port`, `http://host[:port]` or
 * `https://host[:port]`; IPv6 addresses stand in brackets.
 * @throws ENDPOINT_INVALID
 */
export function parseEndpoint(text: string): Endpoint {
  const file = /^(unix|http\+unix):(.*)$/s.exec(text);
  if (file) return { type: file[1] as SocketFileEndpoint["type"], path: parsePath(file[2] ?? "", text) };
  const host = /^(tcp|tls|http|https):\/\/(\[[^\]]*\]|[^:/[\]]*)(?::(\d+))?$/.exec(text);
  if (!host) throw invalid(text, "it has none of the known forms");
  const type = host[1] as HostEndpoint["type"];
  return { type, host: parseHost(host[2] ?? "", text), port: parsePort(host[3] ?? DEFAULT_PORTS[type], text) };
}

/** The inverse of {@link parseEndpoint}. */
export function formatEndpoint(endpoint: Endpoint): string {
  if ("path" in endpoint) return `${endpoint.type}:${endpoint.path}`;
  const host = isIPv6(endpoint.host) ? `[${endpoint.host}]` : endpoint.host;
  return `${endpoint.type}://${host}:${endpoint.port}`;
}

/** Whether calls travel as HTTP requests. */
export function isHttp({ type }: Endpoint): boolean {
  return type === "http" || type === "https" || type === "http+unix";
}

function parsePath(path: string, text: string): string {
  if (!path.startsWith("/")) throw invalid(text, "the path of the socket must be absolute");
  if (path.includes("\0")) throw invalid(text, "the path of the socket contains a zero byte");
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) {
    throw invalid(text, `the path of the socket has ${bytes} bytes, the system takes at most ${MAX_PATH_BYTES}`);
  }
  return path;
}

function parseHost(host: string, text: string): string {
  if (host.startsWith("[")) {
    const address = host.slice(1, -1);
    if (!isIPv6(address)) throw invalid(text, `'${address}' is no IPv6 address`);
    return address;
  }
  if (!/^[\w.-]+$/.test(host)) throw invalid(text, host === "" ? "the host is missing" : `'${host}' is no host`);
  return host;
}

function parsePort(port: string | undefined, text: string): number {
  if (port === undefined) throw invalid(text, "the port is missing");
  const value = Number(port);
  if (value > MAX_PORT) throw invalid(text, `port ${port} is over ${MAX_PORT}`);
  return value;
}

function invalid(endpoint: string, problem: string): Error {
  return remoeError("ENDPOINT_INVALID", { endpoint, problem });
}

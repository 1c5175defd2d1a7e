import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { remoeError } from "../core/errors.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine can reach an address or host name. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  const family = isIP(name);
  if (family === 0) {
    return name === "localhost" || name.endsWith(".localhost");
  }
  return loopback.check(name, family === 6 ? "ipv6" : "ipv4");
}

export interface Credentials {
  readonly authorization: string | undefined;
  /** Name of the Host header, without the port. */
  readonly hostname: string;
}

/** Lets a request pass or throws API_KEY_INVALID or HOST_NOT_ALLOWED. */
export type Guard = (credentials: Credentials) => void;

export interface GuardOptions {
  readonly host: string;
  readonly apiKey: string | null;
}

/**
 * With a key, a request must carry it. Without one on a loopback address, its Host header must name this machine: a
 * web page can point its own domain at 127.0.0.1 (DNS rebinding), but it cannot change the header. Without one on
 * another address, everybody passes: the operator allowed that explicitly.
 */
export function createGuard({ host, apiKey }: GuardOptions): Guard {
  if (apiKey !== null) {
    return requireKey(apiKey);
  }
  return isLoopback(host) ? requireLoopbackHost : () => {};
}

function requireKey(apiKey: string): Guard {
  const expected = digest(apiKey);
  return ({ authorization = "" }) => {
    const given = /^Bearer (.+)$/i.exec(authorization)?.[1];
    // Digests have one length, so that the comparison tells nothing about the key's.
    if (given === undefined || !timingSafeEqual(digest(given), expected)) {
      throw remoeError("API_KEY_INVALID", {});
    }
  };
}

function requireLoopbackHost({ hostname }: Credentials): void {
  if (!isLoopback(hostname)) {
    throw remoeError("HOST_NOT_ALLOWED", { host: hostname });
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

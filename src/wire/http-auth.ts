import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { ModelIdentity } from "./handshake.ts";

/**
 * How requests and replies over HTTP prove the shared secret. The header {@link AUTH_HEADER} of a request is
 *
 *     <milliseconds since 1970> <nonce> <SHA-256 of the body> <MAC>
 *
 * so that the MAC can be checked before the body is read; that of a reply is a MAC alone, which binds it to the nonce
 * of the request. A MAC is the HMAC-SHA-256 under the shared secret of the lines that the functions here join.
 */
export const AUTH_HEADER = "x-remoe-auth";
/** The client's model, as {@link formatModel} writes it. */
export const MODEL_HEADER = "x-remoe-model";
export const CALL_METHOD = "POST";
export const CALL_PATH = "/v1/experts";

/** How far two clocks may be apart, and how long a request may travel. */
export const MAX_SKEW_MS = 30_000;
const PROTOCOL = "remoe experts over http 1";

export interface RequestClaims {
  /** Milliseconds since 1970. */
  readonly sentAt: number;
  /** Hexadecimal; never used twice. */
  readonly nonce: string;
  /** SHA-256 of the body, hexadecimal. */
  readonly bodyHash: string;
}

export function formatModel({ hidden, fingerprint }: ModelIdentity): string {
  return `${hidden}:${encodeURIComponent(fingerprint)}`;
}

export function signRequest(secret: string, claims: RequestClaims, model: string): string {
  const { sentAt, nonce, bodyHash } = claims;
  return `${sentAt} ${nonce} ${bodyHash} ${requestMac(secret, claims, model)}`;
}

/** → what the header claims, or `null` if it is not signed with the secret; says nothing about its age */
export function verifyRequest(secret: string, header: string, model: string): RequestClaims | null {
  const match = /^(\d{1,16}) ([0-9a-f]{32}) ([0-9a-f]{64}) ([0-9a-f]{64})$/.exec(header);
  if (match === null) return null;
  const [, sentAt = "", nonce = "", bodyHash = "", mac = ""] = match;
  const claims = { sentAt: Number(sentAt), nonce, bodyHash };
  return equal(mac, requestMac(secret, claims, model)) ? claims : null;
}

export function signReply(secret: string, nonce: string, bodyHash: string): string {
  return computeMac(secret, ["server", nonce, bodyHash]);
}

export function verifyReply(
  secret: string,
  header: string,
  { nonce, bodyHash }: Omit<RequestClaims, "sentAt">,
): boolean {
  return equal(header, signReply(secret, nonce, bodyHash));
}

export function hashBody(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

function requestMac(secret: string, { sentAt, nonce, bodyHash }: RequestClaims, model: string): string {
  return computeMac(secret, ["client", CALL_METHOD, CALL_PATH, String(sentAt), nonce, bodyHash, model]);
}

/** No line holds a line break: headers cannot. */
function computeMac(secret: string, lines: readonly string[]): string {
  return createHmac("sha256", secret)
    .update([PROTOCOL, ...lines].join("\n"))
    .digest("hex");
}

function equal(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

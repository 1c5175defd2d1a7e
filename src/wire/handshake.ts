import { createHmac, timingSafeEqual } from "node:crypto";
import { type FrameBytes, invalidFrame, MAX_HANDSHAKE_BODY_BYTES } from "./frame.ts";

/**
 * How the two ends of a persistent connection get to know each other:
 *
 *     server → client  challenge: its nonce
 *     client → server  proof: its nonce, MAC as client
 *     server → client  welcome: MAC as server, its model
 *     client → server  model: its model
 *
 * A MAC is the HMAC-SHA-256 under the shared secret of protocol, version, role and both nonces: it proves the secret
 * for this connection and in this direction only. A client that cannot prove it gets to see nothing but a nonce.
 */
export const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const PROTOCOL = "remoe experts 1";

export interface Nonces {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** What both ends must agree on. */
export interface ModelIdentity {
  readonly fingerprint: string;
  readonly hidden: number;
}

export function encodeProof(secret: string, nonces: Nonces): FrameBytes {
  return [nonces.client, computeMac(secret, "client", nonces)];
}

/** → the client's nonce, or `null` if it does not know the secret */
export function checkProof(body: Buffer, secret: string, server: Uint8Array): Uint8Array | null {
  if (body.length !== NONCE_BYTES + MAC_BYTES) return null;
  const client = body.subarray(0, NONCE_BYTES);
  const expected = computeMac(secret, "client", { client, server });
  return timingSafeEqual(body.subarray(NONCE_BYTES), expected) ? client : null;
}

export function encodeWelcome(secret: string, nonces: Nonces, model: ModelIdentity): FrameBytes {
  return [computeMac(secret, "server", nonces), ...encodeModel(model)];
}

/** → the server's model, or `null` if it does not know the secret */
export function checkWelcome(body: Buffer, secret: string, nonces: Nonces): ModelIdentity | null {
  const mac = body.subarray(0, MAC_BYTES);
  if (mac.length !== MAC_BYTES || !timingSafeEqual(mac, computeMac(secret, "server", nonces))) return null;
  return decodeModel(body.subarray(MAC_BYTES));
}

export function encodeModel({ fingerprint, hidden }: ModelIdentity): FrameBytes {
  const width = Buffer.alloc(4);
  width.writeUInt32LE(hidden);
  return [width, Buffer.from(fingerprint)];
}

/** @throws EXPERT_FRAME_INVALID */
export function decodeModel(body: Buffer): ModelIdentity {
  if (body.length < 4 || body.length > MAX_HANDSHAKE_BODY_BYTES) throw invalidFrame("a model has no valid length");
  return { hidden: body.readUInt32LE(0), fingerprint: body.toString("utf8", 4) };
}

/** → why the other end cannot be used, or `null` */
export function compareModels(here: ModelIdentity, there: ModelIdentity): string | null {
  if (there.fingerprint !== here.fingerprint) {
    return `its model has the fingerprint '${there.fingerprint}', expected is '${here.fingerprint}'`;
  }
  if (there.hidden !== here.hidden)
    return `its hidden states have ${there.hidden} numbers, expected are ${here.hidden}`;
  return null;
}

function computeMac(secret: string, role: "client" | "server", { client, server }: Nonces): Buffer {
  // Only fields of fixed length follow the text, so that no two inputs look alike.
  return createHmac("sha256", secret).update(`${PROTOCOL} ${role}\n`).update(client).update(server).digest();
}

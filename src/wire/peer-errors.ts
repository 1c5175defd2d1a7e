import { remoeError } from "../core/errors.ts";

export function peerRejected(endpoint: string, reason: string): Error {
  return remoeError("EXPERT_PEER_REJECTED", { endpoint, reason });
}

/** @param cause taken as the reason if there is no other */
export function connectionLost(endpoint: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return remoeError("EXPERT_CONNECTION_LOST", { endpoint, reason }, cause instanceof Error ? cause : undefined);
}

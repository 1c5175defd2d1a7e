import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** The header value of whoever knows the functions' secret. The secret itself is not sent. */
export function authorisation(secret: string): string {
  return `Bearer ${createHmac("sha256", secret).update("remoe main function").digest("hex")}`;
}

export function isAuthorised({ headers }: IncomingMessage, expected: string): boolean {
  const [given, wanted] = [headers.authorization ?? "", expected].map((text) => Buffer.from(text)) as [Buffer, Buffer];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

import { describe, expect, it } from "vitest";
import { signReply, signRequest, verifyReply, verifyRequest } from "./http-auth.ts";

const claims = { sentAt: 1_000, nonce: "0".repeat(32), bodyHash: "a".repeat(64) };

describe("a signed reply", () => {
  const { nonce, bodyHash } = claims;
  const proof = signReply("secret", nonce, bodyHash);

  it("is believed with the secret, for its own request and body only", () => {
    expect(verifyReply("secret", proof, { nonce, bodyHash })).toBe(true);
    expect(verifyReply("other", proof, { nonce, bodyHash })).toBe(false);
    expect(verifyReply("secret", proof, { nonce: "1".repeat(32), bodyHash })).toBe(false);
    expect(verifyReply("secret", proof, { nonce, bodyHash: "b".repeat(64) })).toBe(false);
  });

  it.each([
    ["nothing", ""],
    ["less", proof.slice(1)],
    ["as many characters but more bytes", "é".repeat(proof.length)],
  ])("that is %s is not believed", (_name, header) => {
    expect(verifyReply("secret", header, { nonce, bodyHash })).toBe(false);
  });
});

describe("a signed request", () => {
  const header = signRequest("secret", claims, "model");

  it("says what it claims to whoever knows the secret, for its own model only", () => {
    expect(verifyRequest("secret", header, "model")).toEqual(claims);
    expect(verifyRequest("other", header, "model")).toBeNull();
    expect(verifyRequest("secret", header, "another")).toBeNull();
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { decodeHeader, encodeHeader, MAX_HEADER_BYTES } from "./header-codec.ts";
import { findIdentityProblem, requireSameIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import { TINY } from "./testing/arbitrary-record.ts";

describe("a header", () => {
  it("is the same after encoding and decoding, whatever follows it", () => {
    const header = encodeHeader(TINY);
    expect(decodeHeader(Buffer.concat([header, Buffer.from("records")]), "h")).toEqual({
      identity: TINY,
      bytes: header.length,
    });
  });

  it("is never longer than the most that is read for it", () => {
    const longest = encodeHeader({ ...TINY, tokenizer: "t".repeat(LIMITS.tokenizerBytes) });
    expect(longest).toHaveLength(MAX_HEADER_BYTES);
  });

  it("with any bit flipped, or cut anywhere, is refused", () => {
    const header = encodeHeader(TINY);
    for (let bit = 0; bit < header.length * 8; bit++) {
      const flipped = Buffer.from(header);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => decodeHeader(flipped, "h")).toThrow(/cannot be used: (its header|it does not start)/);
    }
    for (let length = 0; length < header.length; length++) {
      expect(() => decodeHeader(header.subarray(0, length), "h")).toThrow("cannot be used");
    }
  });

  it("of random bytes is refused", () => {
    const refused = fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      for (const bytes of [Buffer.from(noise), Buffer.concat([encodeHeader(TINY).subarray(0, 12), noise])]) {
        expect(() => decodeHeader(bytes, "h")).toThrow(expect.toSatisfy(isRemoeError));
      }
    });
    fc.assert(refused, { seed: 3, numRuns: 1_000 });
  });

  it("of another format version says so", () => {
    const newer = encodeHeader(TINY);
    newer.writeUInt32LE(2, 8);
    expect(() => decodeHeader(newer, "h")).toThrow("its header has format version 2, this Remoe reads 1");
  });
});

describe("an identity is impossible with", () => {
  it.each([
    ["no layers", { layers: 0 }, "has 0 as its number of layers, not 1 to 1024"],
    [
      "more experts a token than experts",
      { expertsPerToken: 5 },
      "has 5 as its number of experts per token, not 1 to 4",
    ],
    ["more experts than memory should be taken for", { layers: 1024, experts: 65_536 }, "has 67108864 experts in all"],
    ["a fingerprint that is none", { model: "tiny-moe" }, "not 64 hexadecimal digits"],
    ["no tokenizer", { tokenizer: "" }, "has a tokenizer fingerprint of 0 bytes"],
    ["control characters", { tokenizer: "a\u001b[2J" }, "has a tokenizer fingerprint that is not printable"],
  ])("%s", (_, change, problem) => {
    expect(findIdentityProblem({ ...TINY, ...change })).toContain(problem);
  });
});

describe("a history of another", () => {
  it.each([
    ["model", { model: "f".repeat(64) }, "model fingerprint"],
    ["tokenizer", { tokenizer: "other" }, "tokenizer fingerprint"],
    ["shape", { layers: 3 }, "number of layers is 3, here it is 2"],
  ])("%s is refused by name", (_, change, what) => {
    expect(() => requireSameIdentity("h", { ...TINY, ...change }, TINY)).toThrow(what);
  });
});

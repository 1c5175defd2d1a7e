import { crc32 } from "node:zlib";
import { remoeError } from "../core/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { findIdentityProblem, type HistoryIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";

const MAGIC = Buffer.from("REMOEHIS");
const VERSION = 1;
const FINGERPRINT_BYTES = 32;
/** A header has at most: magic, version, five counts, model, length of the tokenizer's text, the text, CRC. */
export const MAX_HEADER_BYTES = MAGIC.length + 4 + 5 * 4 + FINGERPRINT_BYTES + 2 + LIMITS.tokenizerBytes + 4;

export interface DecodedHeader {
  readonly identity: HistoryIdentity;
  /** Of the header: where the first frame starts. */
  readonly bytes: number;
}

/** @param identity without problems (`findIdentityProblem`) */
export function encodeHeader(identity: HistoryIdentity): Buffer {
  const { layers, experts, expertsPerToken, dimensions, vocabularySize, model, tokenizer } = identity;
  const writer = new ByteWriter().raw(MAGIC).u32(VERSION);
  for (const count of [layers, experts, expertsPerToken, dimensions, vocabularySize]) writer.u32(count);
  const head = writer.raw(Buffer.from(model, "hex")).text(tokenizer).finish();
  return new ByteWriter().raw(head).u32(crc32(head)).finish();
}

/**
 * @param start the first bytes of a file, at least the header's if it is intact
 * @param path for error messages
 * @throws HISTORY_INVALID
 */
export function decodeHeader(start: Buffer, path: string): DecodedHeader {
  const refuse = (problem: string): Error => remoeError("HISTORY_INVALID", { path, problem: `its header ${problem}` });
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw remoeError("HISTORY_INVALID", { path, problem: "it does not start as one" });
  }
  const reader = new ByteReader(start, refuse);
  reader.raw(MAGIC.length);
  const version = reader.u32();
  if (version !== VERSION) throw refuse(`has format version ${version}, this Remoe reads ${VERSION}`);
  const identity = readIdentity(reader);
  const bytes = reader.position;
  if (reader.u32() !== crc32(start.subarray(0, bytes))) throw refuse("is damaged: its checksum is wrong");
  const problem = findIdentityProblem(identity);
  if (problem !== null) throw refuse(`is impossible: ${problem}`);
  return { identity, bytes: reader.position };
}

function readIdentity(reader: ByteReader): HistoryIdentity {
  return {
    layers: reader.u32(),
    experts: reader.u32(),
    expertsPerToken: reader.u32(),
    dimensions: reader.u32(),
    vocabularySize: reader.u32(),
    model: reader.raw(FINGERPRINT_BYTES).toString("hex"),
    tokenizer: reader.text(LIMITS.tokenizerBytes),
  };
}

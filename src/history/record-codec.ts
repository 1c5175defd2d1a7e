import type { RoutingSample } from "../predictor/example.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { HistoryIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import type { HistoryRecord } from "./record.ts";
import { findRecordProblem } from "./record-problem.ts";

const U32_MAX = 2 ** 32 - 1;

/**
 * → the payload of a record's frame (docs/guide/history.md has the layout).
 * @param record without problems (`findRecordProblem`)
 */
export function encodeRecord(record: HistoryRecord, identity: HistoryIdentity): Buffer {
  const writer = new ByteWriter();
  writer
    .text(record.id)
    .varint(record.time)
    .text(record.domain ?? "");
  writer.f32s(record.vector);
  writer.varint(record.tokens.length).varints(record.tokens);
  writer.varints(record.prefill).varints(record.decode);
  writeSample(writer, record.prefillSample, identity);
  writeSample(writer, record.decodeSample, identity);
  return writer.finish();
}

/**
 * → the record, with memory of its own.
 * @param refuse makes the error that is thrown if the payload is no record of this model
 */
export function decodeRecord(
  payload: Buffer,
  identity: HistoryIdentity,
  refuse: (problem: string) => Error,
): HistoryRecord {
  const reader = new ByteReader(payload, refuse);
  const cells = identity.layers * identity.experts;
  const record = {
    id: reader.text(LIMITS.idBytes),
    time: reader.varint(Number.MAX_SAFE_INTEGER),
    domain: reader.text(LIMITS.domainBytes) || null,
    vector: reader.f32s(identity.dimensions),
    tokens: reader.varints(new Array<number>(reader.count(1)).fill(0), identity.vocabularySize - 1),
    prefill: reader.varints(new Uint32Array(cells), U32_MAX),
    decode: reader.varints(new Uint32Array(cells), U32_MAX),
    prefillSample: readSample(reader, identity),
    decodeSample: readSample(reader, identity),
  };
  reader.end();
  const problem = findRecordProblem(record, identity);
  if (problem !== null) throw refuse(problem);
  return record;
}

function writeSample(writer: ByteWriter, { tokens, experts }: RoutingSample, identity: HistoryIdentity): void {
  writer.varint(tokens.length).varints(tokens);
  if (fitsByte(identity)) writer.raw(experts);
  else writer.u16s(experts);
}

function readSample(reader: ByteReader, identity: HistoryIdentity): RoutingSample {
  const routedBytes = identity.layers * identity.expertsPerToken * (fitsByte(identity) ? 1 : 2);
  const count = reader.count(1 + routedBytes);
  const tokens = reader.varints(new Uint32Array(count), identity.vocabularySize - 1);
  const routed = count * identity.layers * identity.expertsPerToken;
  const experts = fitsByte(identity) ? new Uint16Array(reader.raw(routed)) : reader.u16s(routed);
  return { tokens, experts };
}

/** Whether a byte holds every expert's id. */
function fitsByte({ experts }: HistoryIdentity): boolean {
  return experts <= 256;
}

import type { RoutingSample } from "../predictor/example.ts";
import type { HistoryIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import type { HistoryRecord } from "./record.ts";
import { findTextProblem } from "./text-problem.ts";

/** → why a record cannot be one of this model's, as in "has …", or null. */
export function findRecordProblem(record: HistoryRecord, identity: HistoryIdentity): string | null {
  const { id, time, domain, vector, tokens } = record;
  const cells = identity.layers * identity.experts;
  return (
    findTextProblem("id", id, LIMITS.idBytes) ??
    (domain === null ? null : findTextProblem("domain", domain, LIMITS.domainBytes)) ??
    (Number.isSafeInteger(time) && time >= 0 ? null : `has ${time} as its time, not whole milliseconds since 1970`) ??
    findLengthProblem("vector", vector.length, identity.dimensions) ??
    (vector.every(Number.isFinite) ? null : "has a vector with values that are not finite") ??
    findIdProblem("tokens", tokens, identity.vocabularySize) ??
    findLengthProblem("prefill", record.prefill.length, cells) ??
    findLengthProblem("decode", record.decode.length, cells) ??
    findSampleProblem("prefill sample", record.prefillSample, identity) ??
    findSampleProblem("decode sample", record.decodeSample, identity)
  );
}

function findSampleProblem(what: string, { tokens, experts }: RoutingSample, identity: HistoryIdentity): string | null {
  const { layers, expertsPerToken } = identity;
  return (
    findIdProblem(`${what}'s tokens`, tokens, identity.vocabularySize) ??
    findLengthProblem(`${what}'s experts`, experts.length, tokens.length * layers * expertsPerToken) ??
    findIdProblem(`${what}'s experts`, experts, identity.experts)
  );
}

function findLengthProblem(what: string, length: number, expected: number): string | null {
  return length === expected ? null : `has ${length} numbers as its ${what}, not ${expected}`;
}

function findIdProblem(what: string, ids: ArrayLike<number>, count: number): string | null {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    if (!(Number.isInteger(id) && id >= 0 && id < count)) return `has ${id} among its ${what}, not 0 to ${count - 1}`;
  }
  return null;
}

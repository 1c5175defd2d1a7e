import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type HistoryIdentity, requireSameIdentity } from "./identity.ts";
import type { HistoryRecord } from "./record.ts";
import { findRecordProblem } from "./record-problem.ts";

const count = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
const sample = z.strictObject({
  tokens: z.array(count).transform((tokens) => Uint32Array.from(tokens)),
  experts: z.array(z.int().min(0).max(65_535)).transform((experts) => Uint16Array.from(experts)),
});
const counts = z.array(count).transform((cells) => Uint32Array.from(cells));

const schema = z.strictObject({
  id: z.string(),
  time: z.int().min(0),
  domain: z.string().nullable(),
  model: z.string(),
  tokenizer: z.string(),
  vector: z.base64(),
  tokens: z.array(count),
  prefill: counts,
  decode: counts,
  prefillSample: sample,
  decodeSample: sample,
});

/** → a line of JSON, without its end (docs/guide/history.md has the fields). */
export function toJsonLine(record: HistoryRecord, { model, tokenizer }: HistoryIdentity): string {
  const { id, time, domain, vector, tokens, prefill, decode, prefillSample, decodeSample } = record;
  return JSON.stringify({
    ...{ id, time, domain, model, tokenizer },
    vector: new ByteWriter().f32s(vector).finish().toString("base64"),
    tokens,
    prefill: Array.from(prefill),
    decode: Array.from(decode),
    prefillSample: toPlain(prefillSample),
    decodeSample: toPlain(decodeSample),
  });
}

function toPlain({ tokens, experts }: HistoryRecord["prefillSample"]): unknown {
  return { tokens: Array.from(tokens), experts: Array.from(experts) };
}

export interface LinePlace {
  readonly path: string;
  /** The first line is 1. */
  readonly line: number;
}

/**
 * Reads one line of JSON.
 * @throws HISTORY_INVALID, HISTORY_FOREIGN
 */
export function parseJsonLine(text: string, identity: HistoryIdentity, { path, line }: LinePlace): HistoryRecord {
  const refuse = (problem: string): Error =>
    remoeError("HISTORY_INVALID", { path, problem: `its line ${line} ${problem}` });
  const parsed = schema.safeParse(parseJson(text, refuse));
  if (!parsed.success) throw refuse(describe(parsed.error));
  const { model, tokenizer, vector, ...rest } = parsed.data;
  requireSameIdentity(path, { model, tokenizer }, identity);
  const record = { ...rest, vector: parseVector(vector, identity.dimensions, refuse) };
  const problem = findRecordProblem(record, identity);
  if (problem !== null) throw refuse(problem);
  return record;
}

function parseJson(text: string, refuse: (problem: string) => Error): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse("is not JSON");
  }
}

function parseVector(base64: string, dimensions: number, refuse: (problem: string) => Error): Float32Array {
  const reader = new ByteReader(Buffer.from(base64, "base64"), (problem) => refuse(`${problem} in its vector`));
  const vector = reader.f32s(dimensions);
  reader.end();
  return vector;
}

function describe({ issues: [first] }: z.ZodError): string {
  return `has a problem in '${first?.path.join(".")}': ${first?.message}`;
}

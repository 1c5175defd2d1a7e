import { remoeError } from "../core/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { Cursor } from "./cursor.ts";
import { checkLimit } from "./limits.ts";
import {
  ARRAY_ID,
  type ElementType,
  type ElementValue,
  elementTypeOf,
  type MetadataValue,
  PRIMITIVES,
} from "./metadata-value.ts";

/** Where an array lies in the file; vocabularies are large and most readers never look at them. */
interface ArraySpan {
  readonly type: "span";
  readonly elementType: ElementType;
  readonly count: number;
  /** Of the first element, in the file. */
  readonly offset: number;
}

type Entry = MetadataValue | ArraySpan;

/** A key's length, one byte of key, the type and the smallest value. */
const MIN_ENTRY_BYTES = 8 + 1 + 4 + 1;

/** A string is at least its length. */
const MIN_STRING_BYTES = 8;

/**
 * The metadata of a GGUF file by key, in the file's order. Arrays are decoded when asked for, each time anew: keep the
 * result if it is needed again.
 */
export class GgufMetadata {
  readonly #source: ByteSource;
  readonly #path: string;
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(source: ByteSource, path: string, entries: ReadonlyMap<string, Entry>) {
    this.#source = source;
    this.#path = path;
    this.#entries = entries;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** The value as stored, `undefined` if the file has no such key. */
  value(key: string): MetadataValue | undefined {
    const entry = this.#entries.get(key);
    return entry?.type === "span" ? this.#decode(entry) : entry;
  }

  /** @throws MODEL_METADATA_INVALID when the key is missing or no string */
  string(key: string): string {
    const entry = this.#require(key);
    if (entry.type !== "string") throw this.#mismatch(key, entry, "a string");
    return entry.value;
  }

  /** @throws MODEL_METADATA_INVALID when the key is there and no string */
  stringOr(key: string, fallback: string): string {
    return this.has(key) ? this.string(key) : fallback;
  }

  /**
   * A number of any stored type.
   * @throws MODEL_METADATA_INVALID when the key is missing, no number, not finite, or an integer beyond 2^53
   */
  number(key: string): number {
    const entry = this.#require(key);
    if (typeof entry.value !== "number" && typeof entry.value !== "bigint") {
      throw this.#mismatch(key, entry, "a number");
    }
    return this.#exactNumber(key, entry.value);
  }

  /** @throws MODEL_METADATA_INVALID when the key is there and {@link number} refuses it */
  numberOr(key: string, fallback: number): number {
    return this.has(key) ? this.number(key) : fallback;
  }

  /** @throws MODEL_METADATA_INVALID when the key is missing or no boolean */
  boolean(key: string): boolean {
    const entry = this.#require(key);
    if (entry.type !== "bool") throw this.#mismatch(key, entry, "a boolean");
    return entry.value;
  }

  /** @throws MODEL_METADATA_INVALID when the key is there and no boolean */
  booleanOr(key: string, fallback: boolean): boolean {
    return this.has(key) ? this.boolean(key) : fallback;
  }

  /** @throws MODEL_METADATA_INVALID when the key is missing or no array of strings */
  stringArray(key: string): readonly string[] {
    const value = this.#array(key);
    if (value.elementType !== "string") throw this.#mismatch(key, value, "an array of strings");
    return value.value;
  }

  /**
   * An array of numbers of any stored type.
   * @throws MODEL_METADATA_INVALID when the key is missing or no array of numbers that {@link number} would take
   */
  numberArray(key: string): readonly number[] {
    const value = this.#array(key);
    if (value.elementType === "string" || value.elementType === "bool") {
      throw this.#mismatch(key, value, "an array of numbers");
    }
    return value.value.map((element) => this.#exactNumber(key, element));
  }

  #require(key: string): MetadataValue {
    const value = this.value(key);
    if (value === undefined) throw this.#invalid(key, "is missing");
    return value;
  }

  #array(key: string): MetadataValue & { readonly type: "array" } {
    const value = this.#require(key);
    if (value.type !== "array") throw this.#mismatch(key, value, "an array");
    return value;
  }

  #exactNumber(key: string, value: number | bigint): number {
    const number = Number(value);
    if (!Number.isFinite(number) || (typeof value === "bigint" && !Number.isSafeInteger(number))) {
      throw this.#invalid(key, `is ${value}, which is no exact number`);
    }
    return number;
  }

  #mismatch(key: string, value: MetadataValue, expected: string): Error {
    const actual = value.type === "array" ? `array of ${value.elementType}` : value.type;
    return this.#invalid(key, `has the type ${actual}, expected ${expected}`);
  }

  #invalid(key: string, problem: string): Error {
    return remoeError("MODEL_METADATA_INVALID", { path: this.#path, key, problem });
  }

  #decode({ elementType, count, offset }: ArraySpan): MetadataValue {
    const cursor = new Cursor(this.#source, this.#path, offset);
    const value: ElementValue[] = [];
    for (let index = 0; index < count; index++) value.push(cursor.element(elementType));
    return { type: "array", elementType, value } as MetadataValue;
  }
}

/**
 * Reads `count` entries at the cursor and leaves it behind the last one.
 * @throws MODEL_FILE_TRUNCATED, MODEL_FILE_INVALID, MODEL_LIMIT_EXCEEDED, MODEL_METADATA_INVALID
 */
export function readMetadata(cursor: Cursor, count: number): GgufMetadata {
  checkLimit(cursor.path, "metadataKeys", count);
  cursor.requireRoom(count, MIN_ENTRY_BYTES);
  const entries = new Map<string, Entry>();
  for (let index = 0; index < count; index++) {
    const key = cursor.name("keyBytes");
    if (entries.has(key)) throw entryError(cursor, key, "appears twice");
    entries.set(key, readEntry(cursor, key));
  }
  return new GgufMetadata(cursor.source, cursor.path, entries);
}

function readEntry(cursor: Cursor, key: string): Entry {
  const typeId = cursor.u32();
  if (typeId === ARRAY_ID) return readArraySpan(cursor, key);
  const type = knownType(cursor, key, typeId);
  return { type, value: cursor.element(type) } as MetadataValue;
}

function readArraySpan(cursor: Cursor, key: string): ArraySpan {
  const typeId = cursor.u32();
  if (typeId === ARRAY_ID) checkLimit(cursor.path, "arrayDepth", 2);
  const elementType = knownType(cursor, key, typeId);
  const count = cursor.u64();
  checkLimit(cursor.path, "arrayElements", count);
  cursor.requireRoom(count, elementType === "string" ? MIN_STRING_BYTES : PRIMITIVES[elementType].bytes);
  const offset = cursor.position;
  cursor.skip(elementType, count);
  return { type: "span", elementType, count, offset };
}

function knownType(cursor: Cursor, key: string, typeId: number): ElementType {
  const type = elementTypeOf(typeId);
  if (type === undefined) throw entryError(cursor, key, `has the unknown type ${typeId}`);
  return type;
}

function entryError(cursor: Cursor, key: string, problem: string): Error {
  return remoeError("MODEL_METADATA_INVALID", { path: cursor.path, key, problem });
}

import type { GgufContent } from "../../gguf/write.ts";

/** A key with its typed value. */
export type MetadataEntry = GgufContent["metadata"][number];

export function text(key: string, value: string): MetadataEntry {
  return [key, { type: "string", value }];
}

export function count(key: string, value: number): MetadataEntry {
  return [key, { type: "uint32", value }];
}

export function real(key: string, value: number): MetadataEntry {
  return [key, { type: "float32", value }];
}

export function flag(key: string, value: boolean): MetadataEntry {
  return [key, { type: "bool", value }];
}

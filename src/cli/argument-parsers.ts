import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { InvalidArgumentError } from "commander";

/** A parser of whole numbers from `least` on. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Give a whole number ${range}.`);
  };
}

export function decimalNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Give a number.");
}

/** A number from 0 to 1. */
export function share(text: string): number {
  const value = decimalNumber(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("Give a number from 0 to 1.");
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `2s`, `1.5m` → milliseconds */
export function duration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError("Give a duration such as 500ms, 2s or 1m.");
  return Number(number) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
}

const BYTES = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** `512KB` (decimal), `4MiB` (binary) → bytes */
export function byteSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(B|[KMG]i?B)$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError("Give a size such as 512KB or 4MiB.");
  return Math.floor(Number(number) * BYTES[unit as keyof typeof BYTES]);
}

/** `a,b` → the parts */
export function commaList(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** A file that can be written: what takes minutes to compute should not be lost to a wrong name at the end. */
export function outputFile(text: string): string {
  const path = resolve(text);
  const isThere = statSync(path, { throwIfNoEntry: false });
  if (isThere?.isDirectory()) throw new InvalidArgumentError("It is a folder; give the name of a file.");
  try {
    accessSync(isThere === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be written: ${(error as Error).message}.`);
  }
  return text;
}

/** For flags that may be given several times. */
export function collect(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}

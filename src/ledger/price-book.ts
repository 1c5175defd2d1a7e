import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import type { Rounding } from "./meter.ts";

/** Prices of holding resources for a second, in the book's unit. 0 for what the platform does not sell or charge. */
export interface ResourcePrices {
  /** 1 GB is 1024 MiB. */
  readonly perGbSecond: number;
  readonly perVcpuSecond: number;
  /** Of graphics memory; 1 GB is 1024 MiB. */
  readonly perGpuGbSecond: number;
}

/** What a platform charges, as dated data with its sources. */
export interface PriceBook {
  readonly schemaVersion: 1;
  /** As in bills and on the command line, e.g. `aws-lambda-x86`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly provider: string;
  readonly region: string;
  /** ISO 4217, e.g. `USD`. */
  readonly currency: string;
  /** The day this book was made from its sources, e.g. `2026-01-31`. */
  readonly asOf: string;
  readonly sources: readonly PriceSource[];
  readonly rounding: Rounding;
  /** What all prices below are counted in, and what one of it costs: the currency itself, or a provider's own unit. */
  readonly unit: { readonly name: string; readonly price: number };
  readonly perRequest: number;
  /** While invocations run. */
  readonly busy: ResourcePrices;
  /** While an instance is kept warm without work. */
  readonly idle: ResourcePrices;
  /** Whether an instance's start costs what busy time costs, or nothing. */
  readonly coldStart: "billed" | "free";
}

export interface PriceSource {
  /** https */
  readonly url: string;
  /** What was taken from it, and what could not be confirmed. */
  readonly note: string;
}

const TEXT = "a text that is not empty";
const NAME = "lower-case letters and digits joined by hyphens";
const CURRENCY = "three capital letters as in ISO 4217";
const AMOUNT = "a number of at least 0";
const MICROSECONDS = "a number of at least 0.001 with at most three decimals";
const SOURCES = "a list of at least one {url, note}";

// The texts say what is allowed; describe() puts the field's name and value before them.
const text = z.string(TEXT).min(1, TEXT);
const amount = z.number(AMOUNT).min(0, AMOUNT);
const source = z.strictObject(
  { url: z.url({ protocol: /^https$/, error: "an https URL" }), note: text },
  "{url, note}",
);
const rounding = z.strictObject(
  { granularityMs: z.number(MICROSECONDS).min(0.001, MICROSECONDS).multipleOf(0.001, MICROSECONDS), minimumMs: amount },
  "{granularityMs, minimumMs}",
);
const resourcePrices = z.strictObject(
  { perGbSecond: amount, perVcpuSecond: amount, perGpuGbSecond: amount },
  "{perGbSecond, perVcpuSecond, perGpuGbSecond}",
);
const priceBook: z.ZodType<PriceBook> = z.strictObject(
  {
    schemaVersion: z.literal(1, "1"),
    name: z.string(NAME).regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, NAME),
    title: text,
    provider: text,
    region: text,
    currency: z.string(CURRENCY).regex(/^[A-Z]{3}$/, CURRENCY),
    asOf: z.iso.date("a date like 2026-01-31"),
    sources: z.array(source, SOURCES).min(1, SOURCES),
    rounding,
    unit: z.strictObject({ name: text, price: amount }, "{name, price}"),
    perRequest: amount,
    busy: resourcePrices,
    idle: resourcePrices,
    coldStart: z.enum(["billed", "free"], '"billed" or "free"'),
  },
  "an object with the fields of a price book",
);

/**
 * Checks a price book read from `path`.
 * @throws PRICE_BOOK_INVALID, naming the first wrong field, its value and what is allowed
 */
export function parsePriceBook(json: unknown, path: string): PriceBook {
  const result = priceBook.safeParse(json, { reportInput: true });
  if (result.success) return result.data;
  const problem = result.error.issues.slice(0, 1).map(describe).join();
  throw remoeError("PRICE_BOOK_INVALID", { path, problem });
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `it has no field '${z.core.toDotPath([...issue.path, ...issue.keys.slice(0, 1)])}'`;
  }
  const field = issue.path.length === 0 ? "the content" : `'${z.core.toDotPath(issue.path)}'`;
  const value = issue.input === undefined ? "missing" : JSON.stringify(issue.input);
  return `${field} is ${value}, allowed is ${issue.message}`;
}

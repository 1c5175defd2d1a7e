import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { parsePriceBook } from "./price-book.ts";

const PRICES = { perGbSecond: 0.00002, perVcpuSecond: 0, perGpuGbSecond: 0 };

const BOOK = {
  schemaVersion: 1,
  name: "mine",
  title: "Our own machines",
  provider: "We",
  region: "cellar",
  currency: "EUR",
  asOf: "2026-11-22",
  sources: [{ url: "https://example.org/prices", note: "All of it." }],
  rounding: { granularityMs: 1, minimumMs: 0 },
  unit: { name: "EUR", price: 1 },
  perRequest: 0,
  busy: PRICES,
  idle: PRICES,
  coldStart: "billed",
};

/** The book as JSON with the value at a path replaced, or removed when it is `undefined`. */
function damaged([key = "", ...rest]: readonly string[], value: unknown, node: unknown = BOOK): unknown {
  const replaced = rest.length === 0 ? value : damaged(rest, value, (node as Record<string, unknown>)[key]);
  const copy: unknown = Array.isArray(node)
    ? node.with(Number(key), replaced)
    : { ...(node as object), [key]: replaced };
  return JSON.parse(JSON.stringify(copy));
}

function refusal(json: unknown): string {
  try {
    parsePriceBook(json, "mine.json");
  } catch (error) {
    if (isRemoeError(error) && error.code === "PRICE_BOOK_INVALID") return error.message;
    throw error;
  }
  throw new Error("the price book was accepted");
}

describe("parsePriceBook", () => {
  it("gives a good book back unchanged", () => {
    expect(parsePriceBook(BOOK, "mine.json")).toEqual(BOOK);
  });

  it.each<[string, unknown, string]>([
    ["schemaVersion", 2, "'schemaVersion' is 2, allowed is 1"],
    ["name", "My Book", `'name' is "My Book", allowed is lower-case letters and digits joined by hyphens`],
    ["title", "", `'title' is "", allowed is a text that is not empty`],
    ["provider", 7, "'provider' is 7, allowed is a text that is not empty"],
    ["region", undefined, "'region' is missing, allowed is a text that is not empty"],
    ["currency", "$", `'currency' is "$", allowed is three capital letters as in ISO 4217`],
    ["asOf", "22.11.2026", `'asOf' is "22.11.2026", allowed is a date like 2026-01-31`],
    ["asOf", "2026-02-30", `'asOf' is "2026-02-30", allowed is a date like 2026-01-31`],
    ["sources", [], "'sources' is [], allowed is a list of at least one {url, note}"],
    ["sources.0.url", "http://example.org", `'sources[0].url' is "http://example.org", allowed is an https URL`],
    ["sources.0.note", "", `'sources[0].note' is "", allowed is a text that is not empty`],
    ["rounding", 1, "'rounding' is 1, allowed is {granularityMs, minimumMs}"],
    ["rounding.granularityMs", 0, "'rounding.granularityMs' is 0, allowed is a number of at least 0.001"],
    ["rounding.granularityMs", 0.0015, "'rounding.granularityMs' is 0.0015, allowed is a number of at least 0.001"],
    ["rounding.minimumMs", -1, "'rounding.minimumMs' is -1, allowed is a number of at least 0"],
    ["unit.price", null, "'unit.price' is null, allowed is a number of at least 0"],
    ["perRequest", "0", `'perRequest' is "0", allowed is a number of at least 0`],
    ["busy.perGbSecond", -0.1, "'busy.perGbSecond' is -0.1, allowed is a number of at least 0"],
    ["idle.perVcpuSecond", undefined, "'idle.perVcpuSecond' is missing, allowed is a number of at least 0"],
    ["coldStart", "maybe", `'coldStart' is "maybe", allowed is "billed" or "free"`],
    ["discount", 0.2, "it has no field 'discount'"],
    ["busy.perToken", 1, "it has no field 'busy.perToken'"],
  ])("refuses a damaged %s (%j)", (path, value, problem) => {
    const message = refusal(damaged(path.split("."), value));
    expect(message).toContain(`the price book 'mine.json' cannot be used: ${problem}`);
  });

  it.each([[null], [[]], ["aws"]])("refuses %j", (json) => {
    expect(refusal(json)).toContain("the content is");
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../engine/testing/temporary-folder.ts";
import { DEFAULT_PRICE_BOOK, PRICE_BOOKS } from "../ledger/price-books.ts";
import { readPriceBook } from "./read-price-book.ts";

const builtIn = PRICE_BOOKS.get(DEFAULT_PRICE_BOOK);

function fileWith(content: string): string {
  const path = join(temporaryFolder(), "prices.json");
  writeFileSync(path, content);
  return path;
}

describe("a price book", () => {
  it("is found by its name", () => {
    expect(readPriceBook(DEFAULT_PRICE_BOOK)).toBe(builtIn);
  });

  it("is read from a file", () => {
    const own = { ...builtIn, name: "own", perRequest: 0 };
    expect(readPriceBook(fileWith(JSON.stringify(own)))).toEqual(own);
  });

  it("that is neither is unknown, and the known names are listed", () => {
    expect(() => readPriceBook("aws")).toThrow(
      expect.objectContaining({ code: "PRICE_BOOK_UNKNOWN", hint: expect.stringContaining(DEFAULT_PRICE_BOOK) }),
    );
  });

  it.each([
    ["is no JSON", "{", "JSON"],
    ["lacks fields", "{}", "schemaVersion"],
  ])("in a file that %s is refused with the path and the reason", (_, content, reason) => {
    const path = fileWith(content);
    expect(() => readPriceBook(path)).toThrow(
      expect.objectContaining({
        code: "PRICE_BOOK_INVALID",
        details: { path, problem: expect.stringContaining(reason) },
      }),
    );
  });
});

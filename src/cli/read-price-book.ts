import { existsSync, readFileSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { type PriceBook, parsePriceBook } from "../ledger/price-book.ts";
import { PRICE_BOOKS } from "../ledger/price-books.ts";

/**
 * A built-in price book by name, or one from a JSON file.
 * @throws PRICE_BOOK_UNKNOWN, PRICE_BOOK_INVALID
 */
export function readPriceBook(nameOrPath: string): PriceBook {
  const known = PRICE_BOOKS.get(nameOrPath);
  if (known !== undefined) return known;
  if (!existsSync(nameOrPath)) {
    throw remoeError("PRICE_BOOK_UNKNOWN", { name: nameOrPath, known: [...PRICE_BOOKS.keys()].join(", ") });
  }
  return parsePriceBook(readJson(nameOrPath), nameOrPath);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw remoeError("PRICE_BOOK_INVALID", { path, problem: (error as Error).message }, error);
  }
}

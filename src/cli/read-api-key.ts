import { readFileSync } from "node:fs";
import { remoeError } from "../core/errors.ts";

/**
 * The key of a file, without the line break at its end.
 * @throws USAGE_INVALID when the file cannot be read or is empty
 */
export function readApiKey(path: string): string {
  const key = readText(path).trim();
  if (key === "") throw unusable(`the API key file '${path}' is empty`);
  return key;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unusable(`cannot read the API key file '${path}': ${(error as Error).message}`);
  }
}

function unusable(problem: string): Error {
  return remoeError("USAGE_INVALID", { problem, command: "remoe serve" });
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A path in a folder of its own that goes away with the test. */
export function temporaryPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "remoe-history-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "requests.history");
}

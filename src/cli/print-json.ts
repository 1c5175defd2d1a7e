/** Version of the form of everything that `--json` prints; it changes when a key is renamed or removed. */
const SCHEMA_VERSION = 1;

/** Prints the one object of a command with `--json` to standard output, in one line. */
export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...value })}\n`);
}

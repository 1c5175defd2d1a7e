import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import { flag } from "../flag.ts";
import { printJson } from "../print-json.ts";

export function defineVersion(command: Command): void {
  command
    .description("Prints the version of Remoe.")
    .addOption(flag("--json", "print one JSON object, with the version of Node.js"))
    .addHelpText("after", "\nExample:\n  remoe version")
    .action(({ json }: { readonly json?: boolean }) => {
      if (json) {
        printJson({ version: VERSION, node: process.versions.node });
      } else {
        process.stdout.write(`${VERSION}\n`);
      }
    });
}

import { CommanderError } from "commander";
import { isOn } from "./flag.ts";
import { createProgram } from "./program.ts";
import { reportError } from "./report-error.ts";
import { reportUnwritable } from "./write-output.ts";

/**
 * Runs a command line and leaves the exit code in `process.exitCode`: the process ends by itself when nothing is left
 * to do, so that output to a slow pipe is never cut.
 * @param argv words after the program's name
 */
export async function runCli(argv: readonly string[]): Promise<void> {
  outliveOutput();
  try {
    await parse(argv);
  } catch (thrown) {
    // A signal that stopped the command has set the code already, and there is nothing to explain.
    process.exitCode ??= exitCodeOf(thrown, argv);
  }
}

async function parse(argv: readonly string[]): Promise<void> {
  const [first, ...rest] = argv;
  const words = first === "help" ? [...rest, "--help"] : argv;
  const program = await createProgram(words);
  if (first === undefined) {
    program.outputHelp();
  } else {
    await program.parseAsync(words, { from: "user" });
  }
}

function exitCodeOf(thrown: unknown, argv: readonly string[]): number {
  // Help and version end parsing this way.
  if (thrown instanceof CommanderError) return thrown.exitCode;
  return reportError(thrown, { json: argv.includes("--json") || isOn("REMOE_JSON") });
}

/**
 * A reader such as `head` may leave whenever it has seen enough. A disk that is full is told once; and a server whose log is
 * on it serves on.
 */
function outliveOutput(): void {
  let isTold = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || isTold) return;
    isTold = true;
    reportUnwritable("standard output", error);
  });
  process.stderr.on("error", () => {});
}

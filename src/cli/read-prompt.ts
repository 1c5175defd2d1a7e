import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";
import { remoeError } from "../core/errors.ts";

/**
 * The prompt of a command line: the argument, or standard input for `-` and where nobody types.
 * @throws USAGE_INVALID when there is none
 */
export async function readPrompt(argument: string | undefined, signal: AbortSignal): Promise<string> {
  if (argument === undefined && process.stdin.isTTY) throw noPrompt("there is no prompt");
  const prompt = argument === undefined || argument === "-" ? await readStandardInput(signal) : argument;
  if (prompt === "") throw noPrompt("the prompt is empty");
  return prompt;
}

async function readStandardInput(signal: AbortSignal): Promise<string> {
  const input = await text(addAbortSignal(signal, process.stdin));
  return input.replace(/\r?\n$/, ""); // the line break that `echo` adds
}

function noPrompt(problem: string): Error {
  return remoeError("USAGE_INVALID", { problem, command: "remoe run" });
}

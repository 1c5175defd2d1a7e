import { readFileSync } from "node:fs";
import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import { LIMITS } from "../history/limits.ts";
import { findTextProblem } from "../history/text-problem.ts";

/** A prompt of a file of prompts. */
export interface FilePrompt {
  /** The first line is 1. */
  readonly line: number;
  /** Defaults to `line-N`. */
  readonly id: string;
  readonly domain: string | null;
  readonly prompt: string;
}

/** Other fields may be there and do not matter. */
const schema = z.object(
  {
    prompt: z.string("has no text `prompt`").min(1, "has an empty `prompt`"),
    id: z.string("has an `id` that is no text").optional(),
    domain: z.string("has a `domain` that is no text").nullish(),
  },
  "is no JSON object",
);

/**
 * Reads a file of prompts, a JSON object a line; empty lines are passed over.
 * @throws PROMPTS_INVALID naming the first bad line, also when there is no prompt at all
 */
export function readPrompts(path: string): FilePrompt[] {
  const lines = readText(path).split("\n");
  const prompts = lines.flatMap((text, index) => (text.trim() === "" ? [] : [parseLine(text, index + 1, path)]));
  if (prompts.length === 0) throw invalid(path, "it has no prompts");
  return prompts;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(path, (error as Error).message, error);
  }
}

function parseLine(text: string, line: number, path: string): FilePrompt {
  const parsed = schema.safeParse(parseJson(text, line, path));
  if (!parsed.success) throw invalid(path, `its line ${line} ${parsed.error.issues[0]?.message}`);
  const { prompt, id = `line-${line}`, domain = null } = parsed.data;
  const problem = findTextProblem("id", id, LIMITS.idBytes) ?? domainProblem(domain);
  if (problem !== null) throw invalid(path, `its line ${line} ${problem}`);
  return { line, id, domain, prompt };
}

function domainProblem(domain: string | null): string | null {
  return domain === null ? null : findTextProblem("domain", domain, LIMITS.domainBytes);
}

function parseJson(text: string, line: number, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, `its line ${line} is not JSON`, error);
  }
}

function invalid(path: string, problem: string, cause?: unknown): Error {
  return remoeError("PROMPTS_INVALID", { path, problem }, cause);
}

import { runInNewContext } from "node:vm";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";

// What is used of the package: its own declarations import without extensions, which `nodenext` does not resolve.
interface SyntaxNode {
  readonly type: string;
}
interface Value {
  readonly value: unknown;
}
interface Scope {
  set(name: string, value: unknown): unknown;
}
interface Evaluator {
  evaluate(node: SyntaxNode | undefined, scope: Scope): Value;
  run(program: SyntaxNode): Value;
}
const Scope: new () => Scope = Environment;
const Evaluator: new (scope: Scope) => Evaluator = Interpreter;

// Templates come from model files, so nothing about them is trusted. Real ones have up to 30 KB and take milliseconds.
const MAX_SOURCE_CHARACTERS = 256 * 1024;
const MAX_OUTPUT_CHARACTERS = 16 * 2 ** 20;
const TIME_LIMIT_MS = 1000;

/** What one run may make, intermediate text included: about thirty times a conversation of 2 MB. */
const MAX_MADE_CHARACTERS = 64 * 2 ** 20;

/** What an entry of a list or a mapping costs in memory, in characters. */
const ENTRY_CHARACTERS = 64;

export type JinjaProgram = SyntaxNode;

/**
 * Reads a template the way transformers does (`trim_blocks`, `lstrip_blocks`).
 * @throws Error saying what is wrong with the template: its syntax, its size or the time it takes
 */
export function parseJinja(source: string): JinjaProgram {
  refuseMore("it has", source.length, MAX_SOURCE_CHARACTERS);
  return withTimeLimit(() => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })));
}

/**
 * Renders a template. Nothing is defined but the given variables: constants and functions are among them.
 * @throws Error with the template's or the interpreter's own message, or saying which limit the template ran into
 */
export function runJinja(program: JinjaProgram, variables: Readonly<Record<string, unknown>>): string {
  const scope = new Scope();
  for (const [name, value] of Object.entries(variables)) scope.set(name, value);
  const text = withTimeLimit(() => String(new BoundedEvaluator(scope).run(program).value));
  refuseMore("it wrote", text.length, MAX_OUTPUT_CHARACTERS);
  return text;
}

/** Counts everything that expressions make, so that no template can fill the memory before its time is up. */
class BoundedEvaluator extends Evaluator {
  #made = 0;

  override evaluate(node: SyntaxNode | undefined, scope: Scope): Value {
    const value = super.evaluate(node, scope);
    if (node?.type === "Identifier") return value; // reading a variable makes nothing
    this.#made += sizeOf(value);
    refuseMore("it made lists and text of", this.#made, MAX_MADE_CHARACTERS);
    return value;
  }
}

function sizeOf({ value }: Value): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return value.length * ENTRY_CHARACTERS;
  if (value instanceof Map) return value.size * ENTRY_CHARACTERS;
  return 0;
}

function refuseMore(what: string, characters: number, limit: number): void {
  if (characters > limit) throw new Error(`${what} ${characters} characters, more than ${limit}`);
}

/** Only a script's run can be interrupted, hence the context. The work itself stays in this realm. */
function withTimeLimit<Result>(work: () => Result): Result {
  try {
    return runInNewContext("work()", { work }, { timeout: TIME_LIMIT_MS });
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
    throw new Error(`it took longer than ${TIME_LIMIT_MS} ms`, { cause });
  }
}

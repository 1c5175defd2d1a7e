import { z } from "zod";
import { remoeError } from "../../core/errors.ts";

/**
 * Checks a request body against a schema.
 * @throws REQUEST_INVALID or REQUEST_UNSUPPORTED, naming the first wrong field
 */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body, { error: describeIssue });
  if (result.success) {
    return result.data;
  }
  const [issue] = result.error.issues;
  const details = { param: toParam(issue?.path ?? []), problem: issue?.message ?? "is invalid" };
  const known = issue?.code === "custom" && issue.params?.["unsupported"] === true;
  throw known ? remoeError("REQUEST_UNSUPPORTED", details) : remoeError("REQUEST_INVALID", details);
}

/** A field of OpenAI's that Remoe cannot honour: refused unless its value asks for nothing. */
export function unsupported(problem: string, asksForNothing: (value: unknown) => boolean = () => false) {
  return z
    .unknown()
    .optional()
    .superRefine((value, context) => {
      if (value !== undefined && value !== null && !asksForNothing(value)) {
        context.addIssue({ code: "custom", message: problem, params: { unsupported: true } });
      }
    });
}

/** `["messages", 0, "content"]` becomes `messages[0].content`; the body itself has no name. */
function toParam(path: readonly PropertyKey[]): string {
  const name = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return name === "" ? "body" : name.replace(/^\./, "");
}

/** The rest of the sentence that begins with the field's name; `undefined` leaves it to zod. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is missing" : `is ${typeName(issue.input)}, but must be ${issue.expected}`;
    case "too_big":
      return `${amount(issue.input)}, but at most ${issue.maximum} is allowed`;
    case "too_small":
      return `${amount(issue.input)}, but must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return "has none of the allowed types";
    case "invalid_key":
      return "has an invalid key";
    default:
      return undefined;
  }
}

function typeName(value: unknown): string {
  if (value === null || Number.isNaN(value)) {
    return String(value);
  }
  return Array.isArray(value) ? "array" : typeof value;
}

function amount(value: unknown): string {
  return typeof value === "string" || Array.isArray(value) ? `has the length ${value.length}` : `is ${String(value)}`;
}

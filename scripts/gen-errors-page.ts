import { ERRORS } from "../src/core/errors.ts";

type Entry = (typeof ERRORS)[keyof typeof ERRORS] & { readonly openAiCode?: string; readonly retryable?: boolean };

const HEAD = `# Errors

Every error that Remoe raises on purpose. Words in braces are filled in. \`code\` is what \`--json\` prints and what the
API sends as \`error.code\`, unless a row names a code that OpenAI's clients know. An error marked _retry_ may succeed when
the same request is sent again; those with \`Retry-After\` say when.

Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 not found, 5 remote or overloaded, 130 interrupted, 143
terminated.

<!-- Generated from src/core/errors.ts by \`npm run docs\`. -->
`;

/** The error catalogue as the Markdown of docs/errors.md. */
export function errorsPage(): string {
  const sections = Object.entries(ERRORS).map(([code, entry]) => section(code, entry));
  return `${HEAD}\n${sections.join("\n")}`;
}

function section(code: string, entry: Entry): string {
  const { message, hint, exitCode, httpStatus, openAiType, openAiCode, retryable = false } = entry;
  const api = openAiCode === undefined ? `\`${openAiType}\`` : `\`${openAiType}\`, code \`${openAiCode}\``;
  return `## REMOE_ERR_${code}

> ${message}

${hint}

Exit code ${exitCode}, HTTP ${httpStatus}, ${api}${retryable ? ", _retry_" : ""}
`;
}

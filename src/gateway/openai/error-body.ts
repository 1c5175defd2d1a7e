import type { RemoeError } from "../../core/errors.ts";

/** The body of every error reply, and of an error in the middle of a stream. */
export interface OpenAiError {
  readonly error: {
    readonly message: string;
    readonly type: string;
    /** The field of the request that is wrong. */
    readonly param: string | null;
    readonly code: string;
  };
}

/** OpenAI's error body; the hint follows the message, because clients show nothing else. */
export function toErrorBody(error: RemoeError): OpenAiError {
  const { param } = error.details;
  return {
    error: {
      message: `${error.message}. ${error.hint}`,
      type: error.entry.openAiType,
      param: typeof param === "string" ? param : null,
      code: error.entry.openAiCode ?? error.publicCode,
    },
  };
}

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** Why one attempt to download a range failed. Another may succeed if it is `passing`. */
export class DownloadFailure extends Error {
  readonly isPassing: boolean;
  /** How long the server asks to wait before another attempt, if it does. */
  readonly waitMs: number | null;

  constructor(reason: string, { isPassing, waitMs = null }: { isPassing: boolean; waitMs?: number | null }) {
    super(reason);
    this.isPassing = isPassing;
    this.waitMs = waitMs;
  }

  /** Of an answer that is not what was asked for. */
  static ofStatus({ statusCode = 0, headers }: IncomingMessage): DownloadFailure {
    const isPassing = PASSING_STATUSES.has(statusCode);
    return new DownloadFailure(`HTTP status ${statusCode}`, { isPassing, waitMs: toWait(headers) });
  }

  /** Of a connection. */
  static ofError(error: unknown): DownloadFailure {
    const { code = "", message } = error as NodeJS.ErrnoException;
    return new DownloadFailure(message, { isPassing: PASSING_ERRORS.has(code) });
  }
}

const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

const PASSING_ERRORS: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Longer than this nobody waits at the start of a function. */
const LONGEST_WAIT_MS = 30_000;

/** Seconds, or a date by the server's own clock. */
function toWait({ "retry-after": asked, date = "" }: IncomingHttpHeaders): number | null {
  if (asked === undefined) return null;
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.parse(date);
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), LONGEST_WAIT_MS);
}

/** From chatty to silent. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** Lines for the operator, never for data. Prompts, answers and keys are not logged; see {@link createLogger}. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

export interface LoggerOptions {
  /** Lines below this level are dropped. Defaults to `info`. */
  readonly level?: LogLevel;
  /** Defaults to `text`. */
  readonly format?: "text" | "json";
  /** Takes one line with its line break. Defaults to standard error. */
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
}

/** Fields that hold secrets or what people wrote, whatever the caller meant. */
const SECRET_FIELDS = /^(authorization|api[-_]?keys?|cookie|password|secret|prompt|messages|content|text)$/i;
const BEARER = /\bBearer\s+[^\s"]+/gi;
const REDACTED = "[redacted]";

/** A logger of one line an entry. Secret fields and bearer tokens are replaced, line breaks in values are escaped. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = "info", format = "text", now = () => new Date() } = options;
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const render = format === "json" ? toJsonLine : toTextLine;
  const lowest = LOG_LEVELS.indexOf(level);

  const logAt =
    (entryLevel: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LOG_LEVELS.indexOf(entryLevel) >= lowest) {
        const line = render({ time: now().toISOString(), level: entryLevel, message, fields });
        write(`${line.replace(BEARER, `Bearer ${REDACTED}`)}\n`);
      }
    };
  return { debug: logAt("debug"), info: logAt("info"), warn: logAt("warn"), error: logAt("error") };
}

/** The logger of a library: says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

interface Entry {
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

function toJsonLine({ time, level, message, fields }: Entry): string {
  return JSON.stringify({ time, level, message, ...fields }, redact);
}

function toTextLine({ time, level, message, fields }: Entry): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${toText(redact(key, value))}`);
  return [time, level.toUpperCase().padEnd(5), toText(message), ...pairs].join(" ");
}

/** Plain text stays as it is, everything else becomes JSON, which has no line breaks. */
function toText(value: unknown): string {
  if (typeof value === "string" && !/[\p{Cc}"=]/u.test(value)) {
    return value;
  }
  return JSON.stringify(value, redact) ?? String(value);
}

function redact(key: string, value: unknown): unknown {
  return SECRET_FIELDS.test(key) ? REDACTED : value;
}

import { Option } from "commander";

interface FlagOptions<Value> {
  readonly initial?: Value;
  /** How help calls the initial value, or what happens without one. */
  readonly initially?: string;
  /** Turns the text into the value; `previous` is what earlier occurrences of the flag gave. */
  readonly parse?: (text: string, previous: Value) => Value;
  readonly choices?: readonly string[];
  readonly required?: boolean;
  readonly conflicts?: string | string[];
}

/** A flag with its environment variable, `--max-tokens` with REMOE_MAX_TOKENS; the flag wins. */
export function flag<Value = string>(flags: string, description: string, options: FlagOptions<Value> = {}): Option {
  const { initial, initially, parse, choices, required = false, conflicts } = options;
  const explained = initial === undefined && initially !== undefined;
  const option = new Option(flags, explained ? `${description} (default: ${initially})` : description);
  const variable = `REMOE_${option.name().toUpperCase().replaceAll("-", "_")}`;
  option.env(variable).default(initial, initially).makeOptionMandatory(required);
  if (parse !== undefined) option.argParser(parse);
  if (choices !== undefined) option.choices(choices);
  if (conflicts !== undefined) option.conflicts(conflicts);
  if (option.isBoolean() && !isOn(variable)) {
    delete process.env[variable]; // commander takes a variable that is there for a yes, even `0`
  }
  return option;
}

/** Whether a variable of a yes-or-no flag says yes. */
export function isOn(variable: string): boolean {
  return !["", "0", "false"].includes(process.env[variable] ?? "");
}

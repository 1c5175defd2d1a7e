const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];

const padded = (value: number, width = 2): string => String(value).padStart(width, "0");
const weekday = (date: Date): string => WEEKDAYS[date.getUTCDay()] ?? "";
const month = (date: Date): string => MONTHS[date.getUTCMonth()] ?? "";

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  "%A": weekday,
  "%a": (date) => weekday(date).slice(0, 3),
  "%B": month,
  "%b": (date) => month(date).slice(0, 3),
  "%d": (date) => padded(date.getUTCDate()),
  "%H": (date) => padded(date.getUTCHours()),
  "%M": (date) => padded(date.getUTCMinutes()),
  "%m": (date) => padded(date.getUTCMonth() + 1),
  "%S": (date) => padded(date.getUTCSeconds()),
  "%Y": (date) => padded(date.getUTCFullYear(), 4),
  "%y": (date) => padded(date.getUTCFullYear() % 100),
  "%%": () => "%",
};

/** Python's `strftime` in UTC and English, for the directives chat templates use; others are left as they are. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%./g, (directive) => DIRECTIVES[directive]?.(date) ?? directive);
}

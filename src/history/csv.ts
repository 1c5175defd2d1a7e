import type { Shape } from "../predictor/example.ts";
import type { HistoryRecord } from "./record.ts";

/** The first line of a table of activation matrices. */
export const CSV_HEADER = "id,phase,layer,expert,count";

/** → a line for each expert that was chosen, by layer and expert, prefill first. Experts never chosen have no line. */
export function* toCsvLines(record: HistoryRecord, { experts }: Shape): Generator<string> {
  const id = quote(record.id);
  for (const phase of ["prefill", "decode"] as const) {
    for (const [cell, count] of record[phase].entries()) {
      if (count > 0) yield `${id},${phase},${Math.floor(cell / experts)},${cell % experts},${count}`;
    }
  }
}

/** Quotes around what would fall apart; a leading ' keeps spreadsheets from taking a text for a formula. */
function quote(text: string): string {
  const plain = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

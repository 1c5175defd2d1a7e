/** Unchanged lines shown around changes, as `diff -u` has it. */
const CONTEXT = 3;

interface Line {
  readonly mark: " " | "-" | "+";
  readonly text: string;
}

export interface DiffOptions {
  /** Of the two sides, as they are called in the head. */
  readonly from: string;
  readonly to: string;
}

/** The unified diff of two texts, empty when they are equal. */
export function lineDiff(before: string, after: string, { from, to }: DiffOptions): string {
  if (before === after) return "";
  const lines = compareLines(splitLines(before), splitLines(after));
  return `--- ${from}\n+++ ${to}\n${splitIntoHunks(lines)
    .map((hunk) => formatHunk(lines, hunk))
    .join("")}`;
}

function splitLines(text: string): readonly string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** Of all ways to turn one list into the other, one with the fewest changes. Equal ends are set aside first. */
function compareLines(before: readonly string[], after: readonly string[]): readonly Line[] {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const same = (text: string): Line => ({ mark: " ", text });
  return [
    ...before.slice(0, head).map(same),
    ...compareMiddles(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ];
}

function compareMiddles(before: readonly string[], after: readonly string[]): readonly Line[] {
  const common = commonLengths(before, after);
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [removed, added] = [before[i], after[j]];
    if (removed !== undefined && removed === added) {
      lines.push({ mark: " ", text: removed });
      i++;
      j++;
    } else if (removed !== undefined && (added === undefined || common(i + 1, j) >= common(i, j + 1))) {
      lines.push({ mark: "-", text: removed });
      i++;
    } else if (added !== undefined) {
      lines.push({ mark: "+", text: added });
      j++;
    }
  }
  return lines;
}

/** → (i, j) ↦ length of the longest common subsequence of before[i…] and after[j…] */
function commonLengths(before: readonly string[], after: readonly string[]): (i: number, j: number) => number {
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width); // [before + 1, after + 1]
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  return at;
}

interface Hunk {
  readonly start: number;
  readonly end: number;
}

/** Changes with their context; those whose contexts touch are one. */
function splitIntoHunks(lines: readonly Line[]): readonly Hunk[] {
  const hunks: Hunk[] = [];
  for (const [index, { mark }] of lines.entries()) {
    if (mark === " ") continue;
    const last = hunks.at(-1);
    const end = Math.min(lines.length, index + 1 + CONTEXT);
    if (last !== undefined && index - CONTEXT <= last.end) hunks[hunks.length - 1] = { start: last.start, end };
    else hunks.push({ start: Math.max(0, index - CONTEXT), end });
  }
  return hunks;
}

function formatHunk(lines: readonly Line[], { start, end }: Hunk): string {
  const shown = lines.slice(start, end);
  const range = (mark: "-" | "+"): string => {
    const isOn = (line: Line): boolean => line.mark === " " || line.mark === mark;
    const count = shown.filter(isOn).length;
    const first = lines.slice(0, start).filter(isOn).length;
    return `${mark}${count === 0 ? first : first + 1},${count}`;
  };
  const body = shown.map(({ mark, text }) => `${mark}${text}\n`).join("");
  return `@@ ${range("-")} ${range("+")} @@\n${body}`;
}

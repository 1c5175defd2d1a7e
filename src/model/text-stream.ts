import { remoeError } from "../core/errors.ts";

export interface TextChunk {
  /** Text that no later token can change; may be empty. */
  readonly text: string;
  /** A stop string was reached. Nothing of it, or after it, is ever given out. */
  readonly stopped: boolean;
}

/** Text of a generation while its tokens arrive. */
export interface TextStream {
  push(token: number): TextChunk;
  /** Gives out what was held back. An unfinished character becomes U+FFFD. */
  end(): TextChunk;
}

export interface TextStreamOptions {
  /** The bytes of a token, possibly only a part of a UTF-8 character. */
  readonly piece: (token: number) => Uint8Array;
  /** Stop strings; the text ends before the first place where one begins. */
  readonly stop: readonly string[];
}

/**
 * Turns tokens into text as early as possible: it holds back only an unfinished character and text that may turn out
 * to be the beginning of a stop string. However the text is cut into tokens, the sum of the chunks is the same.
 * @throws SAMPLING_INVALID if a stop string is empty
 */
export function createTextStream({ piece, stop }: TextStreamOptions): TextStream {
  if (stop.includes("")) {
    throw remoeError("SAMPLING_INVALID", { field: "stop", value: "''", allowed: "text of at least one character" });
  }
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // a BOM is text like any other
  let held = "";
  let stopped = false;

  /** `undecided`: from here on, what follows may still make `held` a stop string. */
  function release(undecided: number): TextChunk {
    const found = firstStop(held, stop);
    stopped = found < held.length && found <= undecided;
    const end = Math.min(found, undecided);
    const text = held.slice(0, end);
    held = held.slice(end);
    return { text, stopped };
  }

  return {
    push(token) {
      if (stopped) return { text: "", stopped };
      held += decoder.decode(piece(token), { stream: true });
      return release(firstPossibleStop(held, stop));
    },
    end() {
      if (stopped) return { text: "", stopped };
      held += decoder.decode();
      return release(held.length);
    },
  };
}

/** Where the first stop string begins, or the text's length. */
function firstStop(text: string, stop: readonly string[]): number {
  const starts = stop.map((candidate) => text.indexOf(candidate)).filter((start) => start >= 0);
  return Math.min(text.length, ...starts);
}

/** Where the first ending of the text begins that is the beginning of a stop string, or the text's length. */
function firstPossibleStop(text: string, stop: readonly string[]): number {
  const longest = Math.max(1, ...stop.map(({ length }) => length));
  for (let start = Math.max(0, text.length - longest + 1); start < text.length; start++) {
    const ending = text.slice(start);
    if (stop.some((candidate) => candidate.startsWith(ending))) return start;
  }
  return text.length;
}

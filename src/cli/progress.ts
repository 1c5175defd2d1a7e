/** Tells on standard error how far a command is; how far it is only where somebody watches. */
export interface Progress {
  /** Replaces the line of before. */
  show(text: string): void;
  /** A line that stays. */
  note(text: string): void;
  end(): void;
}

const CLEAR_LINE = "\r\u001b[K";

export function createProgress(stream: Pick<NodeJS.WriteStream, "isTTY" | "write"> = process.stderr): Progress {
  const clear = stream.isTTY ? CLEAR_LINE : "";
  return {
    show: (text) => void (stream.isTTY && stream.write(`${clear}${text}`)),
    note: (text) => void stream.write(`${clear}${text}\n`),
    end: () => void stream.write(clear),
  };
}

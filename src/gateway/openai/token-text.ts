import type { Tokenizer } from "../../model/tokenizer.ts";

/** JSON has no infinity: a token that cannot occur gets OpenAI's -9999. */
const IMPOSSIBLE = -9999;

/** A token as OpenAI's log probabilities show it. */
export interface TokenText {
  /** The token's text; bytes that are not whole characters become U+FFFD. */
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
}

interface ScoredToken {
  readonly token: number;
  readonly logprob: number | null;
}

export function toTokenText({ token, logprob }: ScoredToken, tokenizer: Tokenizer): TokenText {
  const bytes = tokenizer.piece(token);
  return {
    token: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
    bytes: [...bytes],
    logprob: logprob !== null && Number.isFinite(logprob) ? logprob : IMPOSSIBLE,
  };
}

import type { Tokenizer } from "../../model/tokenizer.ts";

export const BOS = 256;
export const END_OF_TURN = 257;

const SPECIAL = /(<s>|<end>)/;

/** A vocabulary of the 256 bytes, `<s>` (begin) and `<end>` (end of turn). */
export const byteTokenizer: Tokenizer = {
  size: 258,
  endOfGeneration: [END_OF_TURN],
  encode(text, { addSpecial, parseSpecial }) {
    const parts = parseSpecial ? text.split(SPECIAL) : [text];
    const tokens = parts.flatMap((part) => (parseSpecial ? (special(part) ?? bytesOf(part)) : bytesOf(part)));
    return addSpecial ? [BOS, ...tokens] : tokens;
  },
  piece: (token) => (token < BOS ? Uint8Array.of(token) : new Uint8Array()),
  name: (token) => `<${token}>`,
  [Symbol.dispose]() {},
};

/** The tokens of a text without special ones. */
export function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function special(part: string): number[] | null {
  return part === "<s>" ? [BOS] : part === "<end>" ? [END_OF_TURN] : null;
}

import type { GgufContent } from "../../gguf/write.ts";

/** llama.cpp's token types. */
const TOKEN_TYPE = { normal: 1, control: 3 } as const;

const SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** What merges build, so that text is not spelled in bytes throughout. */
const WORDS = [" the", " and", " of", " to", " in", "ing", "hello", " world", " model", " expert"];

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"];

const CHAT_TEMPLATE =
  "{%- for message in messages -%}" +
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

/**
 * A byte-level BPE vocabulary of `size` tokens: the 256 bytes, a few words, ChatML's special tokens, and filler, which
 * is the words " a" to " z", " aa" to " zz" and so on. Every word in a text starts with such a token, so that texts of
 * other words have other tokens.
 */
export function synthVocabulary(size: number): GgufContent["metadata"] {
  const wordMerges = [...new Set(WORDS.flatMap(mergesOf))];
  const normal = [...BYTE_SYMBOLS, ...wordMerges.map(joined)];
  const fillerMerges = take(newMerges(new Set(normal)), size - normal.length - SPECIAL_TOKENS.length);
  const filler = fillerMerges.map(joined);
  const merges = [...wordMerges, ...fillerMerges];
  const types = [
    ...normal.map(() => TOKEN_TYPE.normal),
    ...SPECIAL_TOKENS.map(() => TOKEN_TYPE.control),
    ...filler.map(() => TOKEN_TYPE.normal),
  ];
  const idOf = (special: string) => normal.length + SPECIAL_TOKENS.indexOf(special);
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "qwen2" }],
    [
      "tokenizer.ggml.tokens",
      { type: "array", elementType: "string", value: [...normal, ...SPECIAL_TOKENS, ...filler] },
    ],
    ["tokenizer.ggml.token_type", { type: "array", elementType: "int32", value: types }],
    ["tokenizer.ggml.merges", { type: "array", elementType: "string", value: merges }],
    ["tokenizer.ggml.eos_token_id", { type: "uint32", value: idOf("<|im_end|>") }],
    ["tokenizer.ggml.padding_token_id", { type: "uint32", value: idOf("<|endoftext|>") }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
    ["tokenizer.chat_template", { type: "string", value: CHAT_TEMPLATE }],
  ];
}

/**
 * The printable stand-in of every byte in GPT-2's byte-level BPE: a byte that is a visible Latin-1 character stands for
 * itself, the others follow from U+0100 in their order.
 */
const BYTE_SYMBOLS: readonly string[] = byteSymbols();

function byteSymbols(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isVisible(byte) ? byte : next++));
}

function isVisible(byte: number): boolean {
  const softHyphen = 0xad;
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== softHyphen);
}

/** The merges that build a word from its bytes, left to right: "h e", "he l", "hel l", "hell o". */
function mergesOf(word: string): string[] {
  const symbols = Array.from(Buffer.from(word), (byte) => BYTE_SYMBOLS[byte]);
  return symbols.slice(1).map((symbol, index) => `${symbols.slice(0, index + 1).join("")} ${symbol}`);
}

/** The token that a merge makes. */
function joined(merge: string): string {
  return merge.replace(" ", "");
}

/** The last merges of " a", " b" …, " aa", " ab" … without end, but for words that are known. */
function* newMerges(known: ReadonlySet<string>): Generator<string> {
  for (let prefixes = [BYTE_SYMBOLS[0x20]]; ; ) {
    const merges = prefixes.flatMap((prefix) => LETTERS.map((letter) => `${prefix} ${letter}`));
    yield* merges.filter((merge) => !known.has(joined(merge)));
    prefixes = merges.map(joined);
  }
}

function take(merges: Generator<string>, count: number): string[] {
  return Array.from({ length: count }, () => merges.next().value);
}

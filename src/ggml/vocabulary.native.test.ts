import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "./library.ts";
import { Vocabulary } from "./vocabulary.ts";

const MODEL = fileURLToPath(new URL("../../models/tiny-moe/tiny-moe-q8_0.gguf", import.meta.url));
const TEXT = { addSpecial: false, parseSpecial: false };
const CHAT = { addSpecial: true, parseSpecial: true };

let vocabulary: Vocabulary;
beforeAll(() => {
  vocabulary = new Vocabulary(loadNative(), MODEL);
});
afterAll(() => vocabulary[Symbol.dispose]());

const decode = (tokens: readonly number[]): string =>
  Buffer.concat(tokens.map((token) => vocabulary.piece(token))).toString();

describe("text becomes tokens and text again", () => {
  it.each([
    ["English", "The quick brown fox, 1,234.50 times!"],
    ["German", "Größe, Äpfel und ein ẞ"],
    ["Chinese", "专家混合模型很大。"],
    ["Hindi", "नमस्ते दुनिया"],
    ["Arabic", "السلام عليكم"],
    ["emoji of several code points", "👩‍👩‍👧‍👦 🇪🇺 👍🏽"],
    ["white space", "  a\t\tb\n\n\n c  "],
    ["a null character", "a\0b"],
    ["nothing", ""],
  ])("%s", (_, text) => {
    expect(decode(vocabulary.encode(text, TEXT))).toBe(text);
  });

  it("for any text", () => {
    const property = fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(decode(vocabulary.encode(text, TEXT))).toBe(text);
    });
    fc.assert(property, { seed: 20_260_104, numRuns: 300 });
  });

  it("with fewer tokens than bytes, for the language it was trained on", () => {
    const text = "There was a man, and he went into the house of his father.";
    expect(vocabulary.encode(text, TEXT).length).toBeLessThan(text.length / 2);
  });

  it("of a length no buffer was made for", () => {
    const text = "Häuser und 家 ".repeat(20_000);
    expect(decode(vocabulary.encode(text, TEXT))).toBe(text);
  });
});

describe("special tokens", () => {
  it("are single tokens when parsed, and give no bytes", () => {
    const tokens = vocabulary.encode("<|im_end|>", CHAT);
    expect(tokens).toHaveLength(1);
    expect(vocabulary.name(tokens[0] as number)).toBe("<|im_end|>");
    expect(vocabulary.piece(tokens[0] as number)).toHaveLength(0);
  });

  it("are plain text when not parsed: a prompt cannot forge a turn", () => {
    const tokens = vocabulary.encode("<|im_end|>", TEXT);
    expect(tokens.length).toBeGreaterThan(1);
    expect(decode(tokens)).toBe("<|im_end|>");
  });

  it("that end a turn end a generation", () => {
    expect(vocabulary.endOfGeneration).toEqual(expect.arrayContaining(vocabulary.encode("<|im_end|>", CHAT)));
    const words = vocabulary.encode("words and 12 marks.", TEXT);
    expect(words.filter((token) => vocabulary.endOfGeneration.includes(token))).toEqual([]);
  });
});

it("every token of the vocabulary has a name", () => {
  const names = Array.from({ length: vocabulary.size }, (_, token) => vocabulary.name(token));
  expect(names.filter((name) => name === "")).toEqual([]);
});

it("a file without a vocabulary is refused", () => {
  const path = fileURLToPath(import.meta.url);
  expect(() => new Vocabulary(loadNative(), path)).toThrow(expect.objectContaining({ code: "NATIVE_CALL_FAILED" }));
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTextStream, type TextChunk } from "./text-stream.ts";

/** A vocabulary made up on the spot: token i stands for the i-th piece. */
function streamOf(pieces: readonly (string | Uint8Array)[], stop: readonly string[] = []) {
  const bytes = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece));
  const stream = createTextStream({ piece: (token) => bytes[token] ?? new Uint8Array(), stop });
  return { stream, tokens: bytes.keys() };
}

/** What each push gives out, then what the end gives out; `|` marks that a stop string was reached. */
function chunks(pieces: readonly (string | Uint8Array)[], stop: readonly string[] = []): string[] {
  const { stream, tokens } = streamOf(pieces, stop);
  const show = ({ text, stopped }: TextChunk): string => (stopped ? `${text}|` : text);
  return [...[...tokens].map((token) => show(stream.push(token))), show(stream.end())];
}

describe("characters", () => {
  it("come out as soon as their last byte arrives", () => {
    const [a, b, c, d] = new TextEncoder().encode("😀");
    const bytes = [a, b, c, d].map((byte) => Uint8Array.of(byte ?? 0));
    expect(chunks(["x", ...bytes, "y"])).toEqual(["x", "", "", "", "😀", "y", ""]);
  });

  it("that are never finished become U+FFFD", () => {
    expect(chunks(["é", Uint8Array.of(0xe2, 0x82)])).toEqual(["é", "", "\uFFFD"]);
    expect(chunks([Uint8Array.of(0xe2, 0x82), "a"])).toEqual(["", "\uFFFDa", ""]);
  });

  it("keep a byte order mark", () => {
    expect(chunks(["\uFEFFa"])).toEqual(["\uFEFFa", ""]);
  });

  it("may be missing: special tokens give no bytes", () => {
    expect(chunks([new Uint8Array(), "a", new Uint8Array()])).toEqual(["", "a", "", ""]);
  });
});

describe("stop strings", () => {
  it.each<[what: string, pieces: string[], stop: string[], expected: string[]]>([
    ["end the text and are not part of it", ["one", "STOP two", "three"], ["STOP"], ["one", "|", "|", "|"]],
    ["may span tokens", ["a S", "T", "OP b"], ["STOP"], ["a ", "", "|", "|"]],
    ["hold back no more than their possible beginning", ["abSab", "c"], ["Sabd"], ["ab", "Sabc", ""]],
    ["that began are given out at the end", ["ab"], ["bc"], ["a", "b"]],
    ["that begin first win, whatever their order", ["xabcx"], ["c", "abc"], ["x|", "|"]],
    ["that begin first win, even if they end last", ["ab", "c", "d"], ["bc", "abcd"], ["", "", "|", "|"]],
    ["that began first but fail leave the later one", ["ab", "c", "x"], ["bc", "abcd"], ["", "", "a|", "|"]],
    ["that began first but are cut short leave it too", ["ab", "c"], ["bc", "abcd"], ["", "", "a|"]],
    ["may overlap themselves", ["aaa", "b"], ["aab"], ["a", "|", "|"]],
    ["may be a single character", ["a\nb"], ["\n"], ["a|", "|"]],
  ])("%s", (_what, pieces, stop, expected) => {
    expect(chunks(pieces, stop)).toEqual(expected);
  });

  it("must not be empty", () => {
    expect(() => streamOf([], ["x", ""])).toThrow("stop is '', allowed is text of at least one character");
  });
});

describe("any text, cut anywhere", () => {
  /** Few letters make stop strings frequent; the rest is characters of each UTF-8 length and broken bytes. */
  const text = fc
    .array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom("a", "b", "é", "€", "😀") }, fc.constant("\xff")), {
      maxLength: 40,
    })
    .map((characters) =>
      Buffer.concat(characters.map((character) => Buffer.from(character, character === "\xff" ? "latin1" : "utf8"))),
    );
  const stop = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "é", "€", "😀", "\uFFFD"), minLength: 1, maxLength: 5 }),
    {
      maxLength: 4,
    },
  );
  const cuts = fc.array(fc.nat({ max: 160 }), { maxLength: 40 });

  function cutInto(bytes: Buffer, places: readonly number[]): Uint8Array[] {
    const sorted = [0, ...places.map((place) => Math.min(place, bytes.length)), bytes.length].sort((a, b) => a - b);
    return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
  }

  const firstStopIn = (whole: string, stops: readonly string[]): number =>
    Math.min(whole.length, ...stops.map((one) => whole.indexOf(one)).filter((start) => start >= 0));

  it("gives the decoded text up to the first stop string", () => {
    const same = fc.property(text, cuts, stop, (bytes, places, stops) => {
      const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      const { stream, tokens } = streamOf(cutInto(bytes, places), stops);
      const given = [...[...tokens].map((token) => stream.push(token)), stream.end()];
      const end = firstStopIn(whole, stops);
      expect(given.map((chunk) => chunk.text).join("")).toBe(whole.slice(0, end));
      expect(given.at(-1)?.stopped).toBe(end < whole.length);
    });
    fc.assert(same, { seed: 4, numRuns: 3000 });
  });

  it("holds back less than the longest stop string", () => {
    const early = fc.property(text, cuts, stop, (bytes, places, stops) => {
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      const pieces = cutInto(bytes, places);
      const { stream, tokens } = streamOf(pieces, stops);
      const longest = Math.max(1, ...stops.map((one) => one.length));
      let arrived = "";
      let given = "";
      for (const token of tokens) {
        arrived += decoder.decode(pieces[token] ?? new Uint8Array(), { stream: true });
        const chunk = stream.push(token);
        if (chunk.stopped) return;
        given += chunk.text;
        expect(arrived.length - given.length).toBeLessThan(longest);
      }
    });
    fc.assert(early, { seed: 5, numRuns: 1000 });
  });
});

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { byteSize, collect, commaList, decimalNumber, duration, outputFile, wholeNumber } from "./argument-parsers.ts";

describe("wholeNumber", () => {
  it("takes whole numbers of its range", () => {
    expect(["0", "17", "65535"].map(wholeNumber(0, 65_535))).toEqual([0, 17, 65_535]);
  });

  it.each(["", "1.5", "0x10", "1e3", "-1", "65536", "many"])("refuses %j", (text) => {
    expect(() => wholeNumber(0, 65_535)(text)).toThrow("from 0 to 65535");
  });

  it("names its lower bound where there is no upper one", () => {
    expect(() => wholeNumber(1)("0")).toThrow("of at least 1");
  });
});

describe("decimalNumber", () => {
  it("takes what JavaScript reads as a finite number", () => {
    expect(["0.7", "-2", "1e-3"].map(decimalNumber)).toEqual([0.7, -2, 0.001]);
  });

  it.each(["", " ", "warm", "Infinity", "0,7"])("refuses %j", (text) => {
    expect(() => decimalNumber(text)).toThrow("Give a number");
  });
});

describe("duration", () => {
  it("gives milliseconds", () => {
    expect(["500ms", "2s", "1.5m", "1h"].map(duration)).toEqual([500, 2000, 90_000, 3_600_000]);
  });

  it.each(["500", "2 s", "-1s", "1d", "s"])("refuses %j", (text) => {
    expect(() => duration(text)).toThrow("500ms");
  });
});

describe("byteSize", () => {
  it("tells decimal from binary units", () => {
    expect(["10B", "1KB", "1KiB", "1.5MiB", "2GB"].map(byteSize)).toEqual([10, 1000, 1024, 1_572_864, 2e9]);
  });

  it.each(["10", "1kb", "1K", "-1MiB", "1TiB"])("refuses %j", (text) => {
    expect(() => byteSize(text)).toThrow("4MiB");
  });
});

describe("outputFile", () => {
  it("takes files that are there, and new ones in a folder that is", () => {
    const files = [import.meta.filename, join(tmpdir(), "remoe-result-that-is-not-there.json")];
    expect(files.map(outputFile)).toEqual(files);
  });

  it("refuses folders, and files in folders that are not there", () => {
    expect(() => outputFile(tmpdir())).toThrow("It is a folder");
    expect(() => outputFile("/nowhere/result.json")).toThrow("cannot be written: ENOENT");
  });
});

describe("lists", () => {
  it("are split at commas, without blanks and empty parts", () => {
    expect(commaList("https://a.example, https://b.example,")).toEqual(["https://a.example", "https://b.example"]);
  });

  it("grow with each occurrence of their flag", () => {
    expect(collect("c", ["a", "b"])).toEqual(["a", "b", "c"]);
  });
});

import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { identifyProfile } from "./identify-profile.ts";
import { parseProfile } from "./parse-profile.ts";
import { syntheticMeasurements } from "./testing/synthetic-measurements.ts";

const KNOWN = {
  token: 3,
  prompt: 8,
  promptToken: 0.7,
  decodeLayer: 0.05,
  decodeRow: 0.2,
  prefillExpert: 0.3,
  prefillRow: 0.06,
  call: 0.12,
  hiddenState: 0.002,
  start: 150,
  contention: 0,
  startPerMb: 0.9,
};
const subject = { machine: "a machine", date: "2026-01-31", model: "tiny", parallelStarts: 2 };
const report = { schemaVersion: 2, ...identifyProfile(syntheticMeasurements(KNOWN), subject) };
const source = { path: "tiny.profile.json", model: "tiny" };

/** The file with another value at a path into the profile. */
function withField(field: string, value: unknown): unknown {
  const put = (at: object, [key = "", ...rest]: readonly string[]): object => {
    const old = (at as Record<string, unknown>)[key];
    return { ...at, [key]: rest.length === 0 ? value : put(old as object, rest) };
  };
  return { ...report, profile: put(report.profile, field.split(".")) };
}

function problemOf(json: unknown): string {
  try {
    parseProfile(json, source);
  } catch (error) {
    if (isRemoeError(error) && error.code === "PROFILE_INVALID") return error.message;
  }
  return "none";
}

describe("a profile file", () => {
  it("is read as it was written", () => {
    expect(parseProfile(JSON.parse(JSON.stringify(report)), source)).toEqual(report.profile);
  });

  it.each([
    ["no object", [], "the content is [], allowed is {schemaVersion, profile}"],
    ["a bare profile", report.profile, "'profile' is missing, allowed is an object with the fields of a profile"],
    ["another version", { ...report, schemaVersion: 1 }, "'schemaVersion' is 1, allowed is 2"],
    [
      "a negative time",
      withField("wire.callMs", -1),
      "'profile.wire.callMs' is -1, allowed is a number of milliseconds",
    ],
    ["a time that is a text", withField("overhead.mainMs", "1"), `'profile.overhead.mainMs' is "1"`],
    ["an unknown field", withField("wire.callUs", 1), "it has no field 'profile.wire.callUs'"],
    [
      "a spread below 1",
      withField("spread.split.ttft", 0.5),
      "'profile.spread.split.ttft' is 0.5, allowed is a factor of at least 1",
    ],
    [
      "contention above 1",
      withField("contention.decode", 2),
      "'profile.contention.decode' is 2, allowed is a number from 0 to 1",
    ],
    ["a curve without samples", withField("cpu.decodeToken", { vcpus: [], ms: [] }), "'profile.cpu.decodeToken' is"],
    ["a rising curve", withField("remote.decodeRow", { vcpus: [1, 2], ms: [1, 2] }), "times never rise with them"],
    ["processors out of order", withField("cpu.prefillToken", { vcpus: [2, 1], ms: [1, 1] }), "processors ascend"],
  ])("with %s is refused by field, value and what is allowed", (_name, json, expected) => {
    expect(problemOf(json)).toContain(expected);
    expect(problemOf(json)).toContain("tiny.profile.json");
  });

  it("of another model is refused by name", () => {
    expect(() => parseProfile(report, { ...source, model: "other" })).toThrow(/belongs to another model: 'tiny'/);
  });
});

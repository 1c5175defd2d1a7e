import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { parsePlan } from "./parse-plan.ts";

const shape = { layers: 2, experts: 4 };
const layer = { layer: 1, remote: [2, 3], function: "experts-1", memoryMb: 256, replicas: [[2, 3], [3]] };
const plan = { specMain: { memoryMb: 512 }, layers: [layer] };

function problemOf(json: unknown): string {
  try {
    parsePlan(json, "plan.json", shape);
  } catch (error) {
    if (isRemoeError(error) && error.code === "PLAN_INVALID") return error.message;
  }
  return "none";
}

describe("a plan file", () => {
  it("is read as it is", () => {
    expect(parsePlan({ schemaVersion: 1, ...plan }, "plan.json", shape)).toEqual(plan);
  });

  it.each([
    ["no object", [], "expected object"],
    ["no main function", { layers: [] }, "specMain"],
    ["memory that is none", { ...plan, specMain: { memoryMb: 0 } }, "specMain.memoryMb"],
    ["a layer the model lacks", { ...plan, layers: [{ ...layer, layer: 2 }] }, "layer 2 does not exist"],
    ["a layer twice", { ...plan, layers: [layer, layer] }, "layer 1 is there twice"],
    ["an expert the model lacks", { ...plan, layers: [{ ...layer, remote: [4] }] }, "no expert 4"],
    ["an expert twice", { ...plan, layers: [{ ...layer, remote: [2, 2, 3] }] }, "names a remote expert twice"],
    ["a homeless expert", { ...plan, layers: [{ ...layer, replicas: [[3]] }] }, "no replica holds the remote expert 2"],
    ["a stray expert", { ...plan, layers: [{ ...layer, replicas: [[2, 3, 0]] }] }, "holds expert 0"],
    ["a strange function name", { ...plan, layers: [{ ...layer, function: "../x" }] }, "layers.0.function"],
  ])("with %s is refused by name", (_name, json, expected) => {
    expect(problemOf(json)).toContain(expected);
    expect(problemOf(json)).toContain("plan.json");
  });
});

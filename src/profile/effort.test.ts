import { describe, expect, it } from "vitest";
import { chooseEffort } from "./effort.ts";

const effort = (processors: number, contextLength = 4096, isQuick = false) =>
  chooseEffort({ processors, contextLength, isQuick });

describe("the sizes that are measured", () => {
  it.each([
    [1, [0.25, 0.5, 1]],
    [2, [0.25, 0.5, 1, 1.5, 2]],
    [6, [0.25, 0.5, 1, 1.5, 2, 4, 6]],
    [8, [0.25, 0.5, 1, 1.5, 2, 4, 8]],
  ])("go up to the %d processors there are", (processors, vcpus) => {
    expect(effort(processors).vcpus).toEqual(vcpus);
  });

  it("are fewer when it has to be quick", () => {
    expect(effort(2, 4096, true).vcpus).toEqual([0.5, 1, 2]);
  });
});

it("prompts and answers fit into the context", () => {
  for (const contextLength of [48, 128, 1024]) {
    const { promptLengths, outputTokens, mostOutputTokens } = effort(2, contextLength);
    expect(promptLengths.length).toBeGreaterThan(0);
    expect(Math.max(...promptLengths) + outputTokens).toBeLessThanOrEqual(contextLength);
    expect(Math.min(...promptLengths) + mostOutputTokens).toBeLessThanOrEqual(contextLength);
    expect(mostOutputTokens).toBeGreaterThanOrEqual(outputTokens);
  }
});

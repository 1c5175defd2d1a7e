import { expect, it } from "vitest";
import { callShapes, shapeRows, toCall } from "./call-shapes.ts";

it.each([
  { experts: 16, expertsPerToken: 2, hidden: 4 },
  { experts: 64, expertsPerToken: 8, hidden: 4 },
  { experts: 8, expertsPerToken: 1, hidden: 4 },
])("calls have as many rows as they say, k different experts for a token at most: %j", (hyper) => {
  for (const shape of callShapes(hyper)) {
    const { tokens, experts, inputs } = toCall(shape, { hyper, layer: 0, round: 3 });
    expect(experts).toHaveLength(shapeRows(shape));
    expect(new Set(experts).size).toBe(shape.experts);
    for (const token of new Set(tokens)) {
      const chosen = experts.filter((_, row) => tokens[row] === token);
      expect(chosen.length).toBeLessThanOrEqual(hyper.expertsPerToken);
      expect(new Set(chosen).size).toBe(chosen.length);
    }
    expect(Math.max(...tokens)).toBeLessThan(inputs.length / hyper.hidden);
  }
});

import { describe, expect, it } from "vitest";
import { evaluate } from "./evaluate.ts";
import type { Decision, Placement } from "./evaluation.ts";
import { infeasible } from "./infeasible.ts";
import { bothKinds } from "./plan-kind.ts";
import type { PlanningProblem } from "./problem.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

function decide(problem: PlanningProblem): Decision {
  const placement: Placement = { plan: { specMain: { memoryMb: 2048 }, layers: [] }, devices: "cpu" };
  const evaluation = evaluate(problem, placement);
  return { placement, evaluation, feasible: evaluation.violations.length === 0 };
}

describe("why there is no plan", () => {
  it("is the objective that is missed most, with what is possible and at which memory", () => {
    const problem = { ...tinyProblem, slo: { ttftMs: 2500, tpotMs: 2 } };
    const error = infeasible(problem, decide(problem));
    expect(error.code).toBe("PLAN_INFEASIBLE");
    expect(error.entry).toMatchObject({ exitCode: 4, httpStatus: 409 });
    expect(error.message).toBe(
      "no plan keeps the time per output token within 2 ms: at best it is 11 ms, with a main function of 2048 MiB",
    );
    expect(error.hint).toMatch(/looser objective.*memory.*processors.*device/);
  });

  it("says which margin is in it", () => {
    const problem = { ...tinyProblem, slo: { ttftMs: null, tpotMs: 2 }, margin: bothKinds({ ttft: 1, tpot: 1.2 }) };
    expect(infeasible(problem, decide(problem)).message).toContain("13.2 ms (with a margin of 20 %), with");
  });

  it("is the memory where nothing fits", () => {
    const problem = { ...tinyProblem, specs: { main: [128, 256], experts: [256], maxReplicas: 1 } };
    // Two of four experts of each layer fit into 256 MiB.
    expect(infeasible(problem, null).message).toBe(
      "no plan keeps the main function's memory within 256 MiB: at best it is 706 MiB, with every expert remote that functions of 256 MiB hold",
    );
  });
});

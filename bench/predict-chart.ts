import type { Chart } from "./plot.ts";
import type { PredictBenchmark } from "./predict.ts";
import { CONTENDERS, type ContenderName } from "./predict-contenders.ts";

/** As people call them. */
export const CONTENDER_LABELS: Readonly<Record<ContenderName, string>> = {
  best: "Remoe",
  sps: "SPS",
  spsLiteral: "SPS, α candidates",
  bf: "BF",
  varpam: "VarPAM",
  vared: "VarED",
  dop: "DOP",
  fate: "Fate",
  ef: "EF",
};

const SERIES = ["other predictors", "Remoe's own"];

/** Divergence of every predictor, and by domain that of SPS and of Remoe. */
export function toChart(result: Pick<PredictBenchmark, "prompts" | "model" | "estimates" | "domains">): Chart {
  const { prompts, model, estimates, domains } = result;
  const { history, test } = prompts;
  const bar = (name: ContenderName, label: string, of: PredictBenchmark["estimates"]) => ({
    label,
    series: name === "best" ? 1 : 0,
    ...of[name],
  });
  const overall = CONTENDERS.map((name) => [bar(name, CONTENDER_LABELS[name], estimates)]);
  const byDomain = domains.map(({ domain, estimates: of }) => [
    bar("sps", `${domain}, SPS`, of),
    bar("best", "Remoe", of),
  ]);
  const setting = `${model}: ${test.prompts} prompts, after ${history.prompts} others`;
  return {
    title: "Divergence of predicted from true expert activations",
    description: `Horizontal bars, shorter is better: mean Jensen–Shannon divergence to base 2 with its bootstrap 95 % interval. ${CONTENDERS.map((name) => `${CONTENDER_LABELS[name]} ${estimates[name].mean.toFixed(4)}`).join(", ")}.`,
    series: SERIES,
    panels: [
      { title: `All prompts (${setting})`, groups: overall },
      ...(domains.length === 0 ? [] : [{ title: "By domain", groups: byDomain }]),
    ],
  };
}

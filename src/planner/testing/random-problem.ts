import { createRandom } from "../../core/random.ts";
import type { CostProfile, ExpertTimes, MainTimes, SpeedCurve } from "../cost-profile.ts";
import { toDemand } from "../demand.ts";
import { bothKinds } from "../plan-kind.ts";
import type { PlanningProblem } from "../problem.ts";
import { tinyPrices, tinyProfile } from "./tiny-problem.ts";

type Between = (min: number, max: number) => number;

/** A small model, hardware, workload and objectives drawn at random: some can be met, some cannot. Equal seeds, equal problems. */
export function randomProblem(seed: number): PlanningProblem {
  const random = createRandom(seed);
  const between: Between = (min, max) => min + (max - min) * random();
  const whole: Between = (min, max) => Math.floor(between(min, max + 1));
  const shape = { layers: whole(1, 3), experts: whole(4, 8), expertsPerToken: whole(1, 3) };
  const matrix = randomMatrix(shape, random);
  return {
    sizes: {
      name: "random",
      ...shape,
      expertMb: Array.from({ length: shape.layers }, () => between(50, 300)),
      nonExpertMb: between(100, 400),
      cacheMb: between(0, 100),
      mainBaseMb: 128,
      expertsBaseMb: 128,
    },
    profile: randomProfile(between),
    prices: { ...tinyPrices, perRequest: between(0, 1e-3) },
    specs: { main: [512, 1024, 2048, 3072, 4096, 8192], experts: [256, 512, 1024, 2048], maxReplicas: whole(1, 4) },
    workload: { promptTokens: whole(1, 600), outputTokens: whole(0, 100) },
    demand: toDemand(matrix, [], shape),
    slo: {
      ttftMs: random() < 0.2 ? null : 10 ** between(2.5, 4.5),
      tpotMs: random() < 0.2 ? null : 10 ** between(1, 2.5),
    },
    isCold: random() < 0.5,
    margin: bothKinds({ ttft: between(1, 1.3), tpot: between(1, 1.3) }),
  };
}

function randomMatrix({ layers, experts }: { layers: number; experts: number }, random: () => number): Float32Array {
  const matrix = new Float32Array(layers * experts);
  for (let layer = 0; layer < layers; layer++) {
    const weights = Float64Array.from({ length: experts }, () => random() ** 3 + 1e-3);
    const total = weights.reduce((a, b) => a + b, 0);
    matrix.set(
      weights.map((weight) => weight / total),
      layer * experts,
    );
  }
  return matrix;
}

function randomProfile(between: Between): CostProfile {
  const curve = (parallel: number, serial: number): SpeedCurve => {
    const vcpus = [0.25, 0.5, 1, 2, 4, 8];
    return { vcpus, ms: vcpus.map((each) => serial + parallel / each) };
  };
  const experts = (): ExpertTimes => ({
    decodeLayer: curve(between(0.05, 1), between(0.05, 0.5)),
    decodeRow: curve(between(0.05, 2), between(0.05, 0.5)),
    prefillExpert: curve(between(0.1, 3), between(0.1, 1)),
    prefillRow: curve(between(0.01, 0.5), between(0, 0.1)),
  });
  const main = (): MainTimes => ({
    decodeToken: curve(between(1, 10), between(0.5, 3)),
    prefillPrompt: curve(between(1, 50), between(0.5, 5)),
    prefillToken: curve(between(0.1, 1), between(0, 0.2)),
    experts: experts(),
  });
  return {
    ...tinyProfile,
    cpu: main(),
    split: main(),
    remote: experts(),
    wire: {
      callMs: between(0.1, 4),
      perHiddenStateMs: between(0.001, 0.1),
      batchTokens: 512,
      payloadHiddenStates: between(0, 1) < 0.5 ? null : Math.floor(between(50, 2000)),
    },
    contention: { prefill: between(0, 1), decode: between(0, 1) },
  };
}

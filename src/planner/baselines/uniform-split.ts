import { splitDevices } from "../evaluate.ts";
import type { Placement } from "../evaluation.ts";
import { expertsNeedMb, mainNeedMb } from "../memory-needs.ts";
import type { PlanningProblem } from "../problem.ts";
import { uniformLayers } from "../uniform-plan.ts";

/** The same number of experts of every layer remote, in a function of each layer. */
export interface UniformSplit {
  /** What the main function takes, in MiB. */
  readonly mainMb: number;
  /** What the function of each layer takes, in MiB. [layers] */
  readonly expertsMb: readonly number[];
  /** @param sizeOf size of a layer's function */
  place(memoryMb: number, sizeOf: (layer: number) => number): Placement;
}

/** No prediction says which experts are remote, so that no gain of one is in it: those with the highest ids. */
export function uniformSplit({ sizes, profile }: PlanningProblem, remote: number): UniformSplit {
  const { layers, experts } = sizes;
  const devices = splitDevices(profile);
  const all = [...sizes.expertMb.keys()];
  const shape = { layers, experts, remoteRatio: remote / experts, functions: layers, replicas: 1 };
  return {
    mainMb: mainNeedMb(
      sizes,
      devices,
      all.map(() => remote),
    ),
    expertsMb: all.map((layer) => expertsNeedMb(sizes, layer, remote)),
    place: (memoryMb, sizeOf) => ({
      plan: {
        specMain: { memoryMb },
        layers: uniformLayers({ ...shape, memoryMb: (own) => Math.max(...own.map(sizeOf)) }),
      },
      devices,
    }),
  };
}

import type { ExpertSelection } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";

/**
 * The experts of one layer, least useful first. u_k = E[N^pre_k] + E[N^dec_k] = (N^in + N^out) k S̃_k of Remoe (arXiv
 * 2512.18674); the paper leaves k out of the first term. Within a layer this is the order of S̃. Equal ones go by id.
 * @param shares a row of S̃
 */
export function byUtility(shares: Float32Array): number[] {
  const experts = Array.from(shares, (_, expert) => expert);
  return experts.sort((a, b) => (shares[a] as number) - (shares[b] as number) || a - b);
}

/** The paper's selection: the b K least useful experts of every layer are remote. Ids ascend. */
export function selectUniform(
  { sizes, demand }: Pick<PlanningProblem, "sizes" | "demand">,
  remoteRatio: number,
): ExpertSelection {
  const { layers, experts } = sizes;
  const count = Math.round(remoteRatio * experts);
  return Array.from({ length: layers }, (_, layer) => {
    const shares = demand.matrix.subarray(layer * experts, (layer + 1) * experts);
    return byUtility(shares)
      .slice(0, count)
      .sort((a, b) => a - b);
  });
}

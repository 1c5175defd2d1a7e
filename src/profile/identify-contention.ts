import type { Contention, CostProfile } from "../planner/cost-profile.ts";
import type { MeasuredShape, MixedPoints, MixedPrefillPoint, TimePoint } from "./measurements.ts";
import { type PointFunctions, predictPrefill, predictToken } from "./predict-point.ts";

export const NO_CONTENTION: Contention = { prefill: 0, decode: 0 };
const FULL_CONTENTION: Contention = { prefill: 1, decode: 1 };

type Known = Pick<CostProfile, "split" | "remote" | "wire">;

export interface IdentifiedContention {
  readonly contention: Contention;
  /** Root mean square of the relative errors that remain. */
  readonly relativeResidual: number;
}

/**
 * How far local and remote experts get in each other's way, from a main function with half of every layer's experts. Times
 * are linear in it: by least squares of relative errors, kept between nothing and everything.
 */
export function identifyContention(known: Known, mixed: MixedPoints, shape: MeasuredShape): IdentifiedContention {
  const decode = fitContention([mixed.decode], (_, contention) => mixedToken({ ...known, contention }, mixed, shape));
  const prefill = fitContention(
    mixed.prefills.map(({ time }) => time),
    (i, contention) => mixedPrefill({ ...known, contention }, mixed.prefills[i] as MixedPrefillPoint, shape),
  );
  const errors = [...decode.errors, ...prefill.errors];
  return {
    contention: { prefill: prefill.contention, decode: decode.contention },
    relativeResidual: Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length),
  };
}

type Times = Known & Pick<CostProfile, "contention">;

/** What a profile says of a token. */
export function mixedToken(times: Times, { remoteShares }: MixedPoints, { expertsPerToken }: MeasuredShape): number {
  const shares = remoteShares.map((share) => binomial(expertsPerToken, share));
  return predictToken(times, ofOneProcessor(times), shares);
}

/** What a profile says of a prompt. */
export function mixedPrefill(times: Times, point: MixedPrefillPoint, { layers }: MeasuredShape): number {
  return predictPrefill(times, ofOneProcessor(times), { layers, ...point });
}

function ofOneProcessor({ split }: Times): PointFunctions {
  return { main: split, vcpus: 1, expertVcpus: 1 };
}

function fitContention(points: readonly TimePoint[], predict: (i: number, contention: Contention) => number) {
  const terms = points.map(({ ms }, i) => {
    const sideBySide = predict(i, NO_CONTENTION);
    const lost = (predict(i, FULL_CONTENTION) - sideBySide) / ms.median;
    return { lost, missing: 1 - sideBySide / ms.median };
  });
  const sum = (of: (term: (typeof terms)[number]) => number): number => terms.reduce((all, term) => all + of(term), 0);
  const squares = sum(({ lost }) => lost ** 2);
  // Where one side has nothing to do they cannot get in each other's way.
  const best = squares === 0 ? 0 : sum(({ lost, missing }) => lost * missing) / squares;
  const contention = Math.min(1, Math.max(0, best));
  return { contention, errors: terms.map(({ lost, missing }) => missing - contention * lost) };
}

/** P(j of k rows), j = 0 … k, where each is remote with the same probability. [k + 1] */
function binomial(k: number, share: number): Float64Array {
  const shares = new Float64Array(k + 1);
  shares[0] = 1;
  for (let rows = 1; rows <= k; rows++) {
    for (let j = rows; j >= 0; j--) {
      shares[j] = (shares[j] as number) * (1 - share) + (j === 0 ? 0 : (shares[j - 1] as number) * share);
    }
  }
  return shares;
}

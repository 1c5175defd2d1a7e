import { uniformMatrix } from "./activation-matrix.ts";
import type { Shape } from "./example.ts";
import type { Predictor } from "./predictor.ts";

/** EF, "equal frequency": every expert alike, whatever the prompt. */
export function createEf(shape: Shape): Predictor {
  return { name: "ef", predict: () => uniformMatrix(shape) };
}

import type { ActivationMatrix, Query } from "./example.ts";

/** Tells what a prompt will activate in prefill. Made from examples by a function of its own (src/predictor/*.ts). */
export interface Predictor {
  /** As in tables: `sps`, `bf`, `varpam`, `vared`, `dop`, `fate`, `ef`, … */
  readonly name: string;
  predict(query: Query): ActivationMatrix;
}

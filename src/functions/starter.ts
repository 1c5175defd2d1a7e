import type { HttpRoutes } from "../wire/http-routes.ts";
import type { ReadyReport } from "./spec.ts";

/** Whoever started this function, and for whom it runs: when it is gone, the process ends. */
export interface Starter {
  /** What it asks of the function's own server. */
  readonly routes?: HttpRoutes;
  /** Tells that the function serves. */
  ready(report: ReadyReport): void;
  /** Tells why it cannot, and ends the process. */
  failed(error: unknown): void;
}

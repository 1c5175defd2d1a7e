import type { HttpRoutes } from "../wire/http-routes.ts";
import type { FunctionStart } from "./spec.ts";

/** How a function is to serve. */
export interface ServeStart extends FunctionStart {
  /** What its server answers beside its work, if it serves over HTTP. */
  readonly routes?: HttpRoutes | undefined;
}

/** A function in service. */
export interface Serving {
  /** Where, with the port filled in. */
  readonly endpoint: string;
  readonly weightBytes: number;
  /** Takes nothing new; resolves when running work has ended. */
  drain(): Promise<void>;
}

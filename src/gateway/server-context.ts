import type { RemoeError } from "../core/errors.ts";
import type { Platform } from "../platform/platform.ts";
import type { InFlight } from "./in-flight.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Pipeline } from "./pipeline.ts";

/** What the routes of one gateway share. */
export interface ServerContext {
  /** By model id; the first is the default. */
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  readonly platforms: readonly Platform[];
  readonly inFlight: InFlight;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly version: string;
  /** Silence after which a stream sends a comment. */
  readonly pingMs: number;
  /** For requests without a seed. */
  readonly randomSeed: () => number;
  /** Why nothing can be served now; `null` while it can. */
  readonly unavailable: () => RemoeError | null;
}

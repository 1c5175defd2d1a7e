import type { ConnectOptions } from "../src/wire/connect-options.ts";

export const TRANSPORTS = ["unix", "tcp", "http"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Numbers of one hidden state: `narrow` carries next to nothing, `wide` makes rows of 8 KB. */
export const WIDTHS = { narrow: 1, wide: 2048 } as const;
export type Width = keyof typeof WIDTHS;

/** Tokens, and reply rows, of the prefill-like call. */
export const BATCH_TOKENS = 512;

/** Where the benchmark's server listens; every width is a model of its own. */
export interface WireEndpoints {
  readonly experts: Readonly<Record<Transport, Readonly<Record<Width, string>>>>;
  /** As grpc-js writes addresses; null if it is not installed. */
  readonly grpc: string | null;
}

/** What both ends must agree on. */
export function identityOf(width: Width): Pick<ConnectOptions, "secret" | "fingerprint" | "hidden"> {
  return { secret: "bench", fingerprint: `bench-${width}`, hidden: WIDTHS[width] };
}

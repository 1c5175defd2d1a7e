import type { DoneEvent } from "../protocol.ts";

const NOTHING = { tokens: new Uint32Array(), experts: new Uint16Array() };

/** The samples of a request that was not traced. */
export const NO_SAMPLES: DoneEvent["samples"] = { prefill: NOTHING, decode: NOTHING };

/** Of a model's layers with experts. */
export interface Shape {
  readonly layers: number;
  readonly experts: number;
}

/**
 * S̃: share of each layer's routed (token, expert) pairs that go to each expert, row-major [layers × experts]. Every row
 * sums to 1.
 */
export type ActivationMatrix = Float32Array;

/** What is known of a prompt before it runs. */
export interface Query {
  /** Σ û_i: the sum of the prompt's token embeddings, each scaled to length 1. [dimensions] */
  readonly vector: Float32Array;
  readonly tokens: readonly number[];
}

/** What the gates chose for some tokens of a request. */
export interface RoutingSample {
  /** The tokens, in the order of the sequence. */
  readonly tokens: Uint32Array;
  /** The k experts of each token in each layer, most probable first: [tokens × layers × k] */
  readonly experts: Uint16Array;
}

/** A request that ran: what was known before, and what its gates chose. */
export interface Example extends Query {
  /** Pairs counted in prefill and in decode, row-major [layers × experts]. */
  readonly prefill: Uint32Array;
  readonly decode: Uint32Array;
  /** Prompt tokens and generated tokens, all or a sample of them. */
  readonly prefillSample: RoutingSample;
  readonly decodeSample: RoutingSample;
}

import type { HyperParameters } from "../model/architecture.ts";
import type { Activations, ExpertTraffic, GenerationRequest, RoutingSamples } from "./generation.ts";
import { RoutingRecorder, spreadPositions } from "./routing-recorder.ts";
import type { GateObserver, PassOptions, RemoteExperts } from "./runtime.ts";

/** What a tracer needs to know of a request. */
type TracedRequest = Pick<GenerationRequest, "promptTokens" | "maxTokens" | "traceTokens">;

type Phase = keyof Activations;

/**
 * Counts what the gates of one request choose, prefill and decode apart, keeps a sample of it token by token, and counts
 * what goes to other functions.
 */
export class ExpertTracer {
  readonly #promptLength: number;
  readonly #isTraced: boolean;
  readonly #counts: Readonly<Record<Phase, readonly Uint32Array[]>>;
  readonly #recorders: Readonly<Record<Phase, RoutingRecorder>>;
  #phase: Phase = "prefill";
  #rows = 0;
  #remoteRows = 0;
  #remoteCalls = 0;

  constructor(hyper: HyperParameters, { promptTokens, maxTokens, traceTokens }: TracedRequest) {
    const { layers, experts } = hyper;
    const zeros = (): Uint32Array[] => Array.from({ length: layers }, () => new Uint32Array(experts));
    this.#promptLength = promptTokens.length;
    this.#isTraced = traceTokens > 0;
    this.#counts = { prefill: zeros(), decode: zeros() };
    this.#recorders = {
      prefill: new RoutingRecorder(hyper, spreadPositions(promptTokens.length, traceTokens)),
      decode: new RoutingRecorder(hyper, Uint32Array.from(Array(Math.min(maxTokens, traceTokens)).keys())),
    };
  }

  /** From here on, counts are decode's. */
  startDecode(): void {
    this.#phase = "decode";
  }

  /** What passes tell this tracer, calls to `remote` included. */
  watch(remote: RemoteExperts | undefined): PassOptions {
    return {
      observe: (layer, chosen) => {
        this.#rows += chosen.length;
        this.#record(layer, chosen);
      },
      observeUnused: this.#isTraced ? this.#record : undefined,
      remote: remote && this.#count(remote),
    };
  }

  readonly #record: GateObserver = (layer, chosen) => {
    const counts = this.#counts[this.#phase][layer] as Uint32Array;
    for (const expert of chosen) counts[expert] = (counts[expert] as number) + 1;
    this.#recorders[this.#phase].record(layer, chosen);
  };

  #count(remote: RemoteExperts): RemoteExperts {
    return {
      compute: (call) => {
        this.#remoteRows += call.rows.count;
        this.#remoteCalls++;
        return remote.compute(call);
      },
    };
  }

  get activations(): Activations {
    const plain = (counts: readonly Uint32Array[]): number[][] => counts.map((layer) => Array.from(layer));
    return { prefill: plain(this.#counts.prefill), decode: plain(this.#counts.decode) };
  }

  /** `sequence`: prompt and answer. */
  samples(sequence: readonly number[]): RoutingSamples {
    const { prefill, decode } = this.#recorders;
    return { prefill: prefill.sample(sequence), decode: decode.sample(sequence.slice(this.#promptLength)) };
  }

  get traffic(): ExpertTraffic {
    const remoteRows = this.#remoteRows;
    return { localRows: this.#rows - remoteRows, remoteRows, remoteCalls: this.#remoteCalls };
  }
}

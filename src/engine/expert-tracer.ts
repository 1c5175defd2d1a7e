import type { Activations, ExpertTraffic } from "./generation.ts";
import type { GateObserver, RemoteExperts } from "./runtime.ts";

/** Counts what the gates of one request choose, prefill and decode apart, and what goes to other functions. */
export class ExpertTracer {
  readonly #counts: Record<keyof Activations, Uint32Array[]>;
  #phase: keyof Activations = "prefill";
  #rows = 0;
  #remoteRows = 0;
  #remoteCalls = 0;

  constructor(layers: number, experts: number) {
    const zeros = (): Uint32Array[] => Array.from({ length: layers }, () => new Uint32Array(experts));
    this.#counts = { prefill: zeros(), decode: zeros() };
  }

  /** From here on, counts are decode's. */
  startDecode(): void {
    this.#phase = "decode";
  }

  readonly observe: GateObserver = (layer, chosen) => {
    const counts = this.#counts[this.#phase][layer] as Uint32Array;
    for (const expert of chosen) counts[expert] = (counts[expert] as number) + 1;
    this.#rows += chosen.length;
  };

  /** Passes calls on and counts them. */
  count(remote: RemoteExperts): RemoteExperts {
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

  get traffic(): ExpertTraffic {
    const remoteRows = this.#remoteRows;
    return { localRows: this.#rows - remoteRows, remoteRows, remoteCalls: this.#remoteCalls };
  }
}

import type { ActivationMatrix, Shape } from "./example.ts";

export interface CalibrationOptions {
  /** Finished requests remembered; then the oldest is forgotten for each new one. */
  readonly capacity: number;
  /** Of `low`: the true share is at least that in this share of the requests. */
  readonly confidence: number;
}

const DEFAULTS: CalibrationOptions = { capacity: 500, confidence: 0.9 };

/** Share of routed pairs that local experts take. */
export interface Coverage {
  /** As predicted. */
  readonly share: number;
  /** What the true share is at least, with the calibration's confidence; 0 while too few requests are known to tell. */
  readonly low: number;
}

export interface CoverageReport {
  readonly layers: readonly Coverage[];
  /** Over all layers together. */
  readonly total: Coverage;
}

/** Of each layer, the experts that are local. */
export type LocalExperts = readonly (readonly number[])[];

/**
 * How much of what a prompt activates is local, with an honest lower bound (split conformal prediction): for finished
 * requests i, the residual r_i = true − predicted share of the m experts predicted most active, for every m. With n
 * requests, low = share + the (n + 1 − ⌈confidence (n + 1)⌉)-th smallest r_i. Where requests are exchangeable and the local
 * experts are those predicted most active, the true share is below it in at most 1 − confidence of them.
 */
export class Calibration {
  readonly #shape: Shape;
  readonly #options: CalibrationOptions;
  /** [layers × (experts + 1)], by m, of the requests remembered. */
  readonly #residuals: Float32Array[] = [];
  #next = 0;

  constructor(shape: Shape, options: Partial<CalibrationOptions> = {}) {
    this.#shape = shape;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Takes in a finished request. */
  add(predicted: ActivationMatrix, truth: ActivationMatrix): void {
    this.#residuals[this.#next] = this.#residualsOf(predicted, truth);
    this.#next = (this.#next + 1) % this.#options.capacity;
  }

  coverage(predicted: ActivationMatrix, local: LocalExperts): CoverageReport {
    const { experts } = this.#shape;
    const shares = local.map((chosen, layer) =>
      chosen.reduce((sum, expert) => sum + (predicted[layer * experts + expert] as number), 0),
    );
    const residuals = (layer: number): number[] =>
      this.#residuals.map((row) => row[layer * (experts + 1) + (local[layer]?.length ?? 0)] as number);
    const byLayer = local.map((_, layer) => residuals(layer));
    const totals = this.#residuals.map((_, i) => mean(byLayer.map((layer) => layer[i] as number)));
    return {
      layers: shares.map((share, layer) => this.#bound(share, byLayer[layer] ?? [])),
      total: this.#bound(mean(shares), totals),
    };
  }

  #residualsOf(predicted: ActivationMatrix, truth: ActivationMatrix): Float32Array {
    const { layers, experts } = this.#shape;
    const residuals = new Float32Array(layers * (experts + 1));
    for (let layer = 0; layer < layers; layer++) {
      let residual = 0;
      for (const [m, i] of mostActive(predicted, layer * experts, experts).entries()) {
        residual += (truth[i] as number) - (predicted[i] as number);
        residuals[layer * (experts + 1) + m + 1] = residual;
      }
    }
    return residuals;
  }

  #bound(share: number, residuals: readonly number[]): Coverage {
    const places = residuals.length + 1;
    const rank = places - Math.ceil(this.#options.confidence * places);
    const smallest = residuals.toSorted((a, b) => a - b)[rank - 1];
    const low = smallest === undefined ? 0 : Math.min(1, Math.max(0, share + smallest));
    return { share, low };
  }
}

/** Cells of a row, greatest share first. */
function mostActive(matrix: ActivationMatrix, start: number, experts: number): number[] {
  const cells = Array.from({ length: experts }, (_, expert) => start + expert);
  return cells.sort((a, b) => (matrix[b] as number) - (matrix[a] as number));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

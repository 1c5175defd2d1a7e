import type { HistoryRecord } from "../src/history/record.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";
import type { ActivationMatrix, RoutingSample, Shape } from "../src/predictor/example.ts";
import { expertsPerToken } from "../src/predictor/experts-per-token.ts";
import type { Predictions } from "./predict-scores.ts";

/** Shares of what the gates of the test prompts chose. */
export interface RemoteShare {
  /** (token, layer) pairs with at least one remote expert: a call each. */
  readonly touched: number;
  /** (token, layer, chosen expert) triples with a remote expert. */
  readonly rows: number;
}

/** What is remote with so many local experts in every layer, chosen by… */
export interface Placement {
  readonly local: number;
  /** … how often all examples together activated them, */
  readonly popularity: RemoteShare;
  /** … predictions for the prompt, */
  readonly sps: RemoteShare;
  readonly best: RemoteShare;
  /** … the prompt's true matrix: the limit of a choice that stays the same for all tokens. */
  readonly truth: RemoteShare;
}

export interface PlacementOptions {
  readonly examples: readonly HistoryRecord[];
  readonly queries: readonly HistoryRecord[];
  readonly predictions: Predictions;
  readonly shape: Shape;
}

/** With three quarters, a half and a quarter of the experts local. */
export function comparePlacements({ examples, queries, predictions, shape }: PlacementOptions): Placement[] {
  const popularity = popularityOf(examples, shape);
  const everywhere = queries.map(() => popularity);
  const truths = queries.map(({ prefill }) => toActivationMatrix(prefill, shape));
  return [0.75, 0.5, 0.25].map((share) => {
    const local = Math.ceil(share * shape.experts);
    const shareBy = (matrices: readonly ActivationMatrix[]) => remoteShare(queries, matrices, { shape, local });
    const { sps, best } = predictions;
    return { local, popularity: shareBy(everywhere), sps: shareBy(sps), best: shareBy(best), truth: shareBy(truths) };
  });
}

function popularityOf(examples: readonly HistoryRecord[], shape: Shape): ActivationMatrix {
  const counts = new Float64Array(shape.layers * shape.experts);
  for (const { prefill } of examples) {
    for (const [cell, count] of prefill.entries()) counts[cell] = (counts[cell] as number) + count;
  }
  return toActivationMatrix(counts, shape);
}

/**
 * What would be remote if each prompt had its own local experts: the `local` of every layer that have the greatest shares
 * in a matrix of the prompt's. NaN if no record has sampled tokens.
 * @param matrices of the records, in their order
 */
function remoteShare(
  records: readonly HistoryRecord[],
  matrices: readonly ActivationMatrix[],
  { shape, local }: { readonly shape: Shape; readonly local: number },
): RemoteShare {
  const totals: Totals = { gates: 0, touched: 0, rows: 0, remoteRows: 0 };
  for (const [i, { prefillSample }] of records.entries()) {
    countRemote(prefillSample, { isLocal: chooseLocal(matrices[i] as ActivationMatrix, shape, local), shape, totals });
  }
  return { touched: totals.touched / totals.gates, rows: totals.remoteRows / totals.rows };
}

/** A 1 for every local expert: [layers × experts] */
function chooseLocal(matrix: ActivationMatrix, { layers, experts }: Shape, local: number): Uint8Array {
  const isLocal = new Uint8Array(matrix.length);
  for (let layer = 0; layer < layers; layer++) {
    const cells = Array.from({ length: experts }, (_, expert) => layer * experts + expert);
    cells.sort((a, b) => (matrix[b] as number) - (matrix[a] as number));
    for (const cell of cells.slice(0, local)) isLocal[cell] = 1;
  }
  return isLocal;
}

interface Totals {
  /** A gate chooses for one token in one layer. */
  gates: number;
  touched: number;
  rows: number;
  remoteRows: number;
}

interface Counting {
  readonly isLocal: Uint8Array;
  readonly shape: Shape;
  readonly totals: Totals;
}

function countRemote(sample: RoutingSample, { isLocal, shape, totals }: Counting): void {
  const k = expertsPerToken(sample, shape.layers);
  for (let gate = 0; gate < sample.tokens.length * shape.layers; gate++) {
    const firstCell = (gate % shape.layers) * shape.experts;
    let remote = 0;
    for (let i = gate * k; i < (gate + 1) * k; i++) {
      if (isLocal[firstCell + (sample.experts[i] as number)] === 0) remote++;
    }
    totals.gates++;
    totals.rows += k;
    totals.remoteRows += remote;
    if (remote > 0) totals.touched++;
  }
}

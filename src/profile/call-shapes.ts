import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import type { HyperParameters } from "../model/architecture.ts";
import type { ExpertCall } from "../wire/expert-call.ts";

/** How many rows go to how many experts of a layer. */
export interface CallShape {
  readonly kernel: ExpertCall["kernel"];
  readonly experts: number;
  readonly rowsPerExpert: number;
}

type Dimensions = Pick<HyperParameters, "experts" | "expertsPerToken" | "hidden">;

/** Rows of one expert in prefill calls to one expert, and to all of them. */
const ROWS_OF_ONE = [1, 16, 64];
const ROWS_OF_EACH = [1, 4, 16];

/** Calls worth measuring: a token's decode with 1 … k rows, prefill of one expert and of all. */
export function callShapes({ experts, expertsPerToken: k }: Dimensions): readonly [CallShape, ...CallShape[]] {
  const decode = (rows: number): CallShape => ({ kernel: "decode", experts: rows, rowsPerExpert: 1 });
  const between = [2, 3, 4, 8, 16].filter((rows) => rows < k);
  const one = ROWS_OF_ONE.map((rowsPerExpert) => ({ kernel: "prefill", experts: 1, rowsPerExpert }) as const);
  const all = ROWS_OF_EACH.map((rowsPerExpert) => ({ kernel: "prefill", experts, rowsPerExpert }) as const);
  const fitting = [...one, ...all].filter((shape) => shapeTokens(shape, { expertsPerToken: k }) <= BATCH_TOKENS);
  return [decode(1), ...between.map(decode), ...(k > 1 ? [decode(k)] : []), ...fitting];
}

export function shapeRows({ experts, rowsPerExpert }: CallShape): number {
  return experts * rowsPerExpert;
}

/** The fewest tokens that have so many rows: each has k of them, all for different experts. */
export function shapeTokens(shape: CallShape, { expertsPerToken }: Pick<Dimensions, "expertsPerToken">): number {
  if (shape.kernel === "decode") return 1;
  return Math.max(shape.rowsPerExpert, Math.ceil(shapeRows(shape) / expertsPerToken));
}

interface CallPlace {
  readonly hyper: Dimensions;
  readonly layer: number;
  /** Other experts and numbers each time: weights come from memory, as they do in real calls. */
  readonly round: number;
}

export function toCall(shape: CallShape, { hyper, layer, round }: CallPlace): ExpertCall {
  const { experts: known, hidden } = hyper;
  const tokenCount = shapeTokens(shape, hyper);
  const count = shapeRows(shape);
  return {
    layer,
    kernel: shape.kernel,
    inputs: Float32Array.from({ length: tokenCount * hidden }, (_, i) => Math.sin(i + round)),
    tokens: Int32Array.from({ length: count }, (_, row) => row % tokenCount),
    experts: Int32Array.from(
      { length: count },
      (_, row) => (round * shape.experts + Math.floor(row / shape.rowsPerExpert)) % known,
    ),
    weights: null,
  };
}

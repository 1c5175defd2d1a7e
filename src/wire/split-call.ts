import { remoeError } from "../core/errors.ts";
import { type CallShape, callFrameBytes, shapeOf } from "./call-codec.ts";
import type { ExpertCall } from "./expert-call.ts";
import type { RowType } from "./frame.ts";
import { replyFrameBytes } from "./reply-codec.ts";

export interface SplitLimits {
  /** Most bytes of the frame of a request or of a reply. */
  readonly maxBytes: number;
  readonly hidden: number;
  readonly rowType: RowType;
}

/**
 * Cuts a call into parts whose requests and replies fit. The replies of the parts, one after the other, are the reply
 * of the call: plain rows are cut anywhere, pre-summed ones between tokens. A call that fits is its only part.
 * @throws EXPERT_PAYLOAD_TOO_LARGE when a single row, or a single pre-summed token, does not fit
 */
export function splitCall(call: ExpertCall, limits: SplitLimits): readonly ExpertCall[] {
  if (overflow(shapeOf(call, limits.hidden, limits.rowType), limits) === null) return [call];
  const units = call.weights === null ? rowUnits(call) : tokenUnits(call, limits.hidden);
  const parts: ExpertCall[] = [];
  let part = new Part(call, limits);
  for (const unit of units) {
    if (!part.takes(unit)) {
      parts.push(part.toCall());
      part = new Part(call, limits);
    }
    part.add(unit);
  }
  return [...parts, part.toCall()];
}

/** What must stay together: rows (by index), and the tokens they name, each once. */
interface Unit {
  readonly tokens: readonly number[];
  readonly rows: readonly number[];
}

function rowUnits(call: ExpertCall): readonly Unit[] {
  return Array.from(call.tokens, (token, row) => ({ tokens: [token], rows: [row] }));
}

/** One unit for every token, also for those without a row: they have a sum, too. */
function tokenUnits(call: ExpertCall, hidden: number): readonly Unit[] {
  const rowsOf: number[][] = Array.from({ length: call.inputs.length / hidden }, () => []);
  call.tokens.forEach((token, row) => {
    rowsOf[token]?.push(row);
  });
  return rowsOf.map((rows, token) => ({ tokens: [token], rows }));
}

/** A part while it grows. */
class Part {
  readonly #call: ExpertCall;
  readonly #limits: SplitLimits;
  /** Token of the whole call → token of the part, in the order of the part. */
  readonly #tokens = new Map<number, number>();
  readonly #rows: number[] = [];

  constructor(call: ExpertCall, limits: SplitLimits) {
    this.#call = call;
    this.#limits = limits;
  }

  /** Whether the part still fits with the unit. */
  takes({ tokens, rows }: Unit): boolean {
    const added = tokens.filter((token) => !this.#tokens.has(token)).length;
    const bytes = overflow(this.#shape(this.#tokens.size + added, this.#rows.length + rows.length), this.#limits);
    if (bytes === null) return true;
    if (this.#tokens.size > 0) return false;
    throw remoeError("EXPERT_PAYLOAD_TOO_LARGE", { bytes, limitBytes: this.#limits.maxBytes });
  }

  add({ tokens, rows }: Unit): void {
    for (const token of tokens) if (!this.#tokens.has(token)) this.#tokens.set(token, this.#tokens.size);
    this.#rows.push(...rows);
  }

  toCall(): ExpertCall {
    const { layer, kernel, inputs, tokens, experts, weights } = this.#call;
    const { hidden } = this.#limits;
    const gathered = new Float32Array(this.#tokens.size * hidden);
    for (const [token, at] of this.#tokens) {
      gathered.set(inputs.subarray(token * hidden, (token + 1) * hidden), at * hidden);
    }
    const tokensHere = this.#rows.map((row) => this.#tokens.get(tokens[row] ?? -1) ?? -1);
    return {
      layer,
      kernel,
      inputs: gathered,
      tokens: Int32Array.from(tokensHere),
      experts: Int32Array.from(this.#rows, (row) => experts[row] ?? -1),
      weights: weights && Float32Array.from(this.#rows, (row) => weights[row] ?? Number.NaN),
    };
  }

  #shape(tokens: number, rows: number): CallShape {
    const { hidden, rowType } = this.#limits;
    return { tokens, rows, presummed: this.#call.weights !== null, hidden, rowType };
  }
}

/** → the bytes that are too many for the limit, or `null` */
function overflow(shape: CallShape, { maxBytes }: SplitLimits): number | null {
  const bytes = Math.max(callFrameBytes(shape), replyFrameBytes(shape));
  return bytes > maxBytes ? bytes : null;
}

import { LayeredPass } from "../layered-pass.ts";
import type { GateObserver, Runtime } from "../runtime.ts";
import { TiledPrefill } from "../tiled-prefill.ts";
import { WholePass } from "../whole-pass.ts";

/** Prefill in batches of that many tokens. → logits of the last token */
export async function prefillInBatches(
  runtime: Runtime,
  tokens: readonly number[],
  batchTokens: number,
): Promise<Float32Array> {
  using tiled = new TiledPrefill(runtime, batchTokens);
  // Short prompts of small models go row by row, and all test models are small.
  const kernel = tokens.length <= 60 ? "decode" : "prefill";
  const region = { first: 0, rows: runtime.cache.span(tokens.length) };
  using last = new LayeredPass(runtime, region.rows);
  for (let first = 0; first < tokens.length; first += batchTokens) {
    const isLast = first + batchTokens >= tokens.length;
    const gate = await tiled.run(tokens.slice(first, first + batchTokens), first, { region, isLast, kernel });
    if (gate !== undefined) await last.finish(gate);
  }
  return last.logits.slice();
}

/** What a pass computes for every token of a sequence. */
interface Passed {
  readonly logits: readonly Float32Array[];
  /** By token and layer. */
  readonly chosen: readonly (readonly number[])[];
}

/** A sequence token by token, in passes of every kind. */
export async function decodeInPasses(
  runtime: Runtime,
  tokens: readonly number[],
): Promise<Readonly<Record<"whole" | "layered", Passed>>> {
  const span = runtime.cache.span(tokens.length);
  using whole = new WholePass(runtime, { tokens: 1, span, byHead: true });
  using layered = new LayeredPass(runtime, span);
  const logits: Record<keyof typeof chosen, Float32Array[]> = { whole: [], layered: [] };
  const chosen: Record<"whole" | "layered", number[][]> = { whole: [], layered: [] };
  const keepIn = (own: number[][]): GateObserver => {
    return (_layer, experts) => own.push([...experts]);
  };
  for (const [position, token] of tokens.entries()) {
    whole.run([token], position, { observe: keepIn(chosen.whole), isLast: true });
    logits.whole.push(whole.logits.slice());
    await layered.run(token, position, { observe: keepIn(chosen.layered) });
    logits.layered.push(layered.logits.slice());
  }
  return {
    whole: { logits: logits.whole, chosen: chosen.whole },
    layered: { logits: logits.layered, chosen: chosen.layered },
  };
}

import { argmax } from "./argmax.ts";

/** A token and the natural logarithm of the model's probability of it, before temperature and truncation. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/**
 * The log probability of one token and of the `topN` most probable ones (best first; equal ones by id), computed in
 * double precision. Masked tokens (logit -Infinity) are never among the top.
 * @throws LOGITS_INVALID as {@link argmax}
 */
export function logprobs(
  logits: Float32Array,
  token: number,
  topN: number,
): { readonly logprob: number; readonly top: readonly TokenLogprob[] } {
  const normaliser = logSumExp(logits);
  const logprobOf = (id: number): number => (logits[id] as number) - normaliser;
  const top = topTokens(logits, topN).map((id) => ({ token: id, logprob: logprobOf(id) }));
  return { logprob: logprobOf(token), top };
}

function logSumExp(logits: Float32Array): number {
  const maximum = logits[argmax(logits)] as number;
  let sum = 0;
  for (let token = 0; token < logits.length; token++) sum += Math.exp((logits[token] as number) - maximum);
  return maximum + Math.log(sum);
}

/** One pass with a short sorted list: n is at most a few dozen. */
function topTokens(logits: Float32Array, n: number): number[] {
  const top: number[] = [];
  if (n === 0) return top;
  let threshold = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit <= threshold) continue;
    const worse = top.findIndex((other) => (logits[other] as number) < logit);
    top.splice(worse < 0 ? top.length : worse, 0, token);
    if (top.length > n) top.pop();
    if (top.length === n) threshold = logits[top[n - 1] as number] as number;
  }
  return top;
}

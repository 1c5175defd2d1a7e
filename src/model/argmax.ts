import { remoeError } from "../core/errors.ts";

/**
 * The token with the largest logit; the lowest id wins ties. Masked tokens (-Infinity) are never chosen.
 * @throws LOGITS_INVALID if a logit is NaN or +Infinity, or all are masked
 */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let maximum = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    // False for NaN too, so that one comparison a token finds both the larger and the unusable ones.
    if (logit <= maximum) continue;
    if (!(logit < Number.POSITIVE_INFINITY)) {
      throw remoeError("LOGITS_INVALID", { problem: `token ${token} has the logit ${logit}` });
    }
    best = token;
    maximum = logit;
  }
  if (best < 0) throw remoeError("LOGITS_INVALID", { problem: `all ${logits.length} are -Infinity` });
  return best;
}

/** KL(p‖q) in nats of the softmaxes of two logit vectors. */
export function kullbackLeibler(p: Float32Array, q: Float32Array): number {
  const [logSumP, logSumQ] = [logSumExp(p), logSumExp(q)];
  return p.reduce((sum, value, i) => {
    const logP = value - logSumP;
    return sum + Math.exp(logP) * (logP - ((q[i] as number) - logSumQ));
  }, 0);
}

function logSumExp(logits: Float32Array): number {
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return max + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

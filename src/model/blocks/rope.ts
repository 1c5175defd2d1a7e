import type { Rope } from "../../ggml/graph-builder.ts";
import type { ModelKeys } from "../model-keys.ts";

const single = Math.fround;

/** Interpolation of the whole rotation by YaRN (Peng et al., 2023), or linear, or none. */
interface Scaling {
  readonly isYarn: boolean;
  /** How many times longer contexts are than the ones positions were trained on. */
  readonly factor: number;
}

function readScaling(keys: ModelKeys): Scaling {
  const kind = keys.textOr("rope.scaling.type", "linear");
  if (!["none", "linear", "yarn", "longrope"].includes(kind)) {
    throw keys.invalid("rope.scaling.type", `is '${kind}', expected none, linear, yarn or longrope`);
  }
  const factor = keys.numberOr("rope.scaling.factor", 0);
  return { isYarn: kind === "yarn", factor: factor === 0 || kind === "none" ? 1 : factor };
}

/** YaRN's temperature: 0.1 · multiplier · ln(factor) + 1. In single precision throughout, as llama.cpp computes it. */
function temperature(factor: number, multiplier: number): number {
  if (factor <= 1) return 1;
  return single(single(single(single(0.1) * multiplier) * single(Math.log(factor))) + 1);
}

/**
 * Rotary position embedding as a file describes it.
 * @throws MODEL_METADATA_INVALID
 */
export function readRope(keys: ModelKeys, mode: Rope["mode"], width: number): Rope {
  const { isYarn, factor } = readScaling(keys);
  const frequencyScale = factor === 1 ? 1 : single(1 / single(factor));
  const trained = keys.count("context_length");
  const dimensions = keys.countOr("rope.dimension_count", width);
  if (dimensions > width || dimensions % 2 !== 0) {
    throw keys.invalid("rope.dimension_count", `is ${dimensions}, expected an even number up to a head's ${width}`);
  }
  return {
    mode,
    dimensions,
    base: keys.numberOr("rope.freq_base", 10_000),
    trainedContext: keys.countOr("rope.scaling.original_context_length", trained),
    frequencyScale,
    extrapolation: isYarn ? 1 : 0,
    magnitude: single(yarnMagnitude(keys, { isYarn, factor: single(1 / frequencyScale) }) * readAttentionFactor(keys)),
    betaFast: keys.numberOr("rope.scaling.yarn_beta_fast", 32),
    betaSlow: keys.numberOr("rope.scaling.yarn_beta_slow", 1),
  };
}

function readAttentionFactor(keys: ModelKeys): number {
  return single(keys.numberOr("rope.scaling.attn_factor", 1));
}

/**
 * What ggml's own YaRN temperature has to be multiplied with. Files of DeepSeek-V2 say that it is in the attention's
 * scale instead (`yarn_log_multiplier`, kept there times 0.1), and then nothing of it is left here.
 */
function yarnMagnitude(keys: ModelKeys, { isYarn, factor }: Scaling): number {
  if (!isYarn) return single(keys.numberOr("rope.scaling.yarn_attn_factor", 1));
  const isCancelled = keys.numberOr("rope.scaling.yarn_log_multiplier", 0) !== 0;
  const wanted = isCancelled ? 1 : temperature(factor, 1);
  return single(wanted * single(1 / single(1 + single(single(0.1) * single(Math.log(factor))))));
}

import { z } from "zod";
import type { CostProfile } from "../planner/cost-profile.ts";

const TIME = "a number of milliseconds, not negative";
const time = z.number(TIME).min(0, TIME);
const NAME = "a text of at least one letter";
const name = z.string(NAME).min(1, NAME);
const SAMPLES = "as many virtual processors as times, at least one; processors ascend, times never rise with them";
const FACTOR = "a factor of at least 1";
const factor = z.number(FACTOR).min(1, FACTOR);
const SHARE = "a number from 0 to 1";
const share = z.number(SHARE).min(0, SHARE).max(1, SHARE);
const COUNT = "a whole number above 0, or null";
const count = z.int(COUNT).min(1, COUNT).nullable();
const TOKENS = "a whole number of tokens above 0";

const speedCurve = z
  .strictObject({ vcpus: z.array(z.number(SAMPLES).positive(SAMPLES), SAMPLES), ms: z.array(time, SAMPLES) }, SAMPLES)
  .refine(
    ({ vcpus, ms }) => vcpus.length === ms.length && vcpus.length > 0 && rises(vcpus) && !risesAnywhere(ms),
    SAMPLES,
  );
const expertTimes = z.strictObject(
  { decodeLayer: speedCurve, decodeRow: speedCurve, prefillExpert: speedCurve, prefillRow: speedCurve },
  "{decodeLayer, decodeRow, prefillExpert, prefillRow}",
);
const mainTimes = z.strictObject(
  { decodeToken: speedCurve, prefillPrompt: speedCurve, prefillToken: speedCurve, experts: expertTimes },
  "{decodeToken, prefillPrompt, prefillToken, experts}",
);
const spread = z.strictObject({ ttft: factor, tpot: factor }, "{ttft, tpot}");
const startTime = z.strictObject({ fixedMs: time, perMb: time }, "{fixedMs, perMb}");

/** Messages say what is allowed. */
export const costProfileSchema: z.ZodType<CostProfile> = z.strictObject(
  {
    schemaVersion: z.literal(2, "2"),
    kind: z.enum(["measured", "modelled"], '"measured" or "modelled"'),
    machine: name,
    date: z.iso.date("a date like 2026-01-31"),
    model: name,
    cpu: mainTimes,
    mix: mainTimes.nullable(),
    gpu: mainTimes.nullable(),
    split: mainTimes,
    remote: expertTimes,
    wire: z.strictObject(
      { callMs: time, perHiddenStateMs: time, batchTokens: z.int(TOKENS).min(1, TOKENS), payloadHiddenStates: count },
      "{callMs, perHiddenStateMs, batchTokens, payloadHiddenStates}",
    ),
    contention: z.strictObject({ prefill: share, decode: share }, "{prefill, decode}"),
    swap: z.strictObject({ fixedMs: time, perHiddenStateMs: time }, "{fixedMs, perHiddenStateMs}"),
    overhead: z.strictObject({ mainMs: time, gatewayMs: time }, "{mainMs, gatewayMs}"),
    coldStart: z.strictObject(
      { main: startTime, deviceMs: time, experts: startTime, parallel: count },
      "{main, deviceMs, experts, parallel}",
    ),
    spread: z.strictObject({ unsplit: spread, split: spread }, "{unsplit, split}"),
  },
  "an object with the fields of a profile",
);

function rises(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > (values[i - 1] as number));
}

function risesAnywhere(values: readonly number[]): boolean {
  return values.some((value, i) => i > 0 && value > (values[i - 1] as number));
}

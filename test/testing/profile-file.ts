import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUNDLED_MODEL } from "../../src/engine/testing/bundled-model.ts";
import { readGguf } from "../../src/gguf/read.ts";
import type { CostProfile, ExpertTimes, MainTimes, SpeedCurve } from "../../src/planner/cost-profile.ts";
import { bothKinds } from "../../src/planner/plan-kind.ts";
import { modelName } from "../../src/profile/model-sizes.ts";

/** Twice the time with half the processors, and no faster than with one. */
function curve(oneMs: number): SpeedCurve {
  return { vcpus: [0.5, 1], ms: [2 * oneMs, oneMs] };
}

function experts(rowMs: number): ExpertTimes {
  return {
    decodeLayer: curve(0.01),
    decodeRow: curve(rowMs),
    prefillExpert: curve(0.01),
    prefillRow: curve(rowMs),
  };
}

/**
 * A profile of the bundled model, made up: what an expert's row takes in the main function and in an expert function.
 * Slow local experts make a split plan the only one that meets a short TPOT objective.
 */
function madeUpProfile({ localRowMs = 0.05, remoteRowMs = 0.05 }): CostProfile {
  const main: MainTimes = {
    decodeToken: curve(0.4),
    prefillPrompt: curve(1),
    prefillToken: curve(0.05),
    experts: experts(localRowMs),
  };
  return {
    schemaVersion: 2,
    kind: "measured",
    machine: "made up",
    date: "2026-01-31",
    model: modelName(readGguf(BUNDLED_MODEL)),
    cpu: main,
    mix: null,
    gpu: null,
    split: main,
    remote: experts(remoteRowMs),
    wire: { callMs: 0.1, perHiddenStateMs: 0.001, batchTokens: 512, payloadHiddenStates: null },
    contention: { prefill: 0, decode: 0 },
    swap: { fixedMs: 0, perHiddenStateMs: 0 },
    overhead: { mainMs: 1, gatewayMs: 2 },
    coldStart: { main: { fixedMs: 200, perMb: 1 }, deviceMs: 0, experts: { fixedMs: 200, perMb: 1 }, parallel: 2 },
    spread: bothKinds({ ttft: 1, tpot: 1 }),
  };
}

/** Writes {@link madeUpProfile} to a new folder. → its path, to be removed with its folder */
export function writeProfile(times: Parameters<typeof madeUpProfile>[0] = {}): string {
  const path = join(mkdtempSync(join(tmpdir(), "profile-")), "profile.json");
  writeFileSync(path, JSON.stringify({ schemaVersion: 2, profile: madeUpProfile(times) }));
  return path;
}
